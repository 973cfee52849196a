#!/usr/bin/env bash
# setup.sh [MACHINE...]: builds the programs that guests of these machines (amd64, arm64) run. Installs the missing programs that
# boot them.
set -euo pipefail
cd "$(dirname "$0")/../../.."
bash scripts/setup.sh
bash scripts/need.sh test/system/kernels \
	qemu-system-x86_64:qemu-system-x86 busybox:busybox-static cpio:cpio curl:curl modprobe:kmod zstd:zstd
if [[ " $* " == *' arm64 '* ]]; then
	bash scripts/need.sh test/system/kernels qemu-system-aarch64:qemu-system-arm \
		aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu /usr/aarch64-linux-gnu/include/stdio.h:libc6-dev-arm64-cross
	bash test/system/kernels/arm64-root.sh >/dev/null
	bash test/system/kernels/arm64-programs.sh
fi
