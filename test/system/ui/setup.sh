#!/usr/bin/env bash
# Installs the browser that the test of the page needs, on Debian. Idempotent.
set -euo pipefail

for name in "${CHROMIUM:-}" chromium-headless-shell chromium google-chrome; do
	[[ -z $name ]] || ! command -v "$name" >/dev/null || exit 0
done
# Ubuntu has it only as a snap.
bash "$(dirname "$0")/../../../scripts/need.sh" test/system/ui chromium-headless-shell:chromium-headless-shell ||
	echo 'test/system/ui: install a Chromium, or name one in CHROMIUM; the test of the page fails without' >&2
