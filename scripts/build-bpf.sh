#!/usr/bin/env bash
# build-bpf.sh DIR [x86|arm64]: builds the BPF objects into DIR/bpf, for this architecture by default. A target is rebuilt
# only when one of its inputs is newer.
#
# The objects are portable between kernels: their types are relocated at load time. They are not portable between
# architectures, because two programs read registers. The types come from bpf/include/vmlinux.h, so the same clang and bpftool
# make the same objects on every machine.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/stale.sh
dir=$1
arch=${2:-$(uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')}
mkdir -p "$dir/bpf"

compile() { # compile OUT SOURCE: one BPF object file
	clang -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter \
		-Wno-missing-field-initializers -D__TARGET_ARCH_"$arch" -Ibpf/include -Ibpf -c "$2" -o "$1.new" || {
		echo "build: where a type of the kernel is missing, \`npm run kernel-types\` adds it" >&2
		exit 1
	}
	llvm-strip -g "$1.new"
	mv "$1.new" "$1"
}

# The verdict is compiled twice: verdict_by_probe.bpf.c includes it.
headers=(bpf/include/*.h bpf/{scan,sockops}/*.h bpf/sk_msg/verdict.bpf.c)
parts=()
for source in bpf/{iter,observe,sk_msg,sockops,tc}/*.bpf.c; do
	part=$dir/bpf/$(basename "${source%.bpf.c}").o
	if stale "$part" "$source" "${headers[@]}"; then compile "$part" "$source"; fi
	parts+=("$part")
done
if stale "$dir/bpf/meshaccel.bpf.o" "${parts[@]}"; then
	bpftool gen object "$dir/bpf/meshaccel.bpf.o.new" "${parts[@]}"
	mv "$dir/bpf/meshaccel.bpf.o.new" "$dir/bpf/meshaccel.bpf.o"
fi

# These are separate objects.
for source in bpf/{layout,measure}/*.bpf.c bench/bpf/*.bpf.c; do
	[[ -e $source ]] || continue
	object=$dir/bpf/$(basename "${source%.c}").o
	if stale "$object" "$source" "${headers[@]}"; then compile "$object" "$source"; fi
done
