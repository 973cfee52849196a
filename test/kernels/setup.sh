#!/usr/bin/env bash
# Builds what the guests run, and installs what boots them where it is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
bash scripts/setup.sh
for command in qemu-system-x86_64 busybox cpio curl modprobe; do
	command -v "$command" >/dev/null && continue
	echo "kernels: installing what is missing ($command)" >&2
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
		qemu-system-x86 busybox-static cpio curl kmod >&2
	break
done
