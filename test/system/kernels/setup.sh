#!/usr/bin/env bash
# Builds the programs that the guests run. Installs the missing programs that boot them.
set -euo pipefail
cd "$(dirname "$0")/../../.."
bash scripts/setup.sh
bash scripts/need.sh test/system/kernels \
	qemu-system-x86_64:qemu-system-x86 busybox:busybox-static cpio:cpio curl:curl modprobe:kmod
