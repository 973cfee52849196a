#!/usr/bin/env bash
# as-arm64.sh COMMAND...: runs COMMAND with the clang, llvm-strip and bpftool of the arm64 root (arm64-root.sh), emulated.
set -euo pipefail

root=$(cd "$(dirname "$0")/../../../build/kernels/root-arm64" && pwd)
programs=$(mktemp -d)
trap 'rm -rf "$programs"' EXIT
for name in clang llvm-strip bpftool; do
	found=$(readlink -f "$root/usr/bin/$name" || true)
	[[ -x $found ]] || found=$root/usr/sbin/$name
	# -L makes it find its libraries and headers in that root.
	printf '#!/bin/sh\nexec qemu-aarch64-static -L %q -0 %q %q "$@"\n' "$root" "$root/usr/bin/$name" "$found" >"$programs/$name"
	chmod +x "$programs/$name"
done
PATH=$programs:$PATH "$@"
