#!/usr/bin/env bash
# Installs the browser that the test of the page needs, on Debian. Idempotent.
set -euo pipefail

for name in "${CHROMIUM:-}" chromium-headless-shell chromium google-chrome; do
	[[ -z $name ]] || ! command -v "$name" >/dev/null || exit 0
done
package=chromium-headless-shell
export DEBIAN_FRONTEND=noninteractive
if command -v apt-get >/dev/null && ((EUID == 0)); then
	apt-get update -qq
	if apt-get install -y -qq --no-install-recommends "$package" >&2; then exit 0; fi
fi
# Ubuntu has it as a snap only.
echo "setup: $package cannot be installed: install a Chromium, or name one in CHROMIUM; the test of the page fails without" >&2
