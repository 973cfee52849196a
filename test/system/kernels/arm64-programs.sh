#!/usr/bin/env bash
# arm64-programs.sh: builds for arm64, into build/kernels/arm64, what a checkout builds for this machine. The guests of arm64 kernels
# see it in the place of those (boot.sh).
set -euo pipefail
cd "$(dirname "$0")/../../.."

dir=build/kernels/arm64
mkdir -p "$dir"/{cni,netns}
bash scripts/build-bpf.sh "$dir" arm64
compile() { # compile OUT SOURCE...: as scripts/build.sh does
	aarch64-linux-gnu-gcc -static -s -O2 -Wall -Wextra -Werror -o "$@"
}
compile "$dir/cni/meshaccel-cni" cni/shim/*.c
compile "$dir/netns/meshaccel-walk" src/datapath/netns/walk.c
