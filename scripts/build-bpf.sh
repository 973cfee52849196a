#!/usr/bin/env bash
# build-bpf.sh DIR [x86|arm64]: builds the BPF objects into DIR/bpf, for this architecture by default. A target is rebuilt
# only when one of its inputs is newer.
#
# The objects are portable between kernels: their types are relocated at load time. They are not portable between
# architectures, because two programs read registers. The types come from the running kernel (DIR/vmlinux.h). VMLINUX_H may
# name a file of `bpftool btf dump` instead.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/stale.sh
dir=$1
arch=${2:-$(uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')}
mkdir -p "$dir/bpf"

types="${VMLINUX_H:-$(uname -r)} $arch"
if [[ ! -s $dir/vmlinux.h || $(cat "$dir/vmlinux.release" 2>/dev/null) != "$types" ]]; then
	if [[ -n ${VMLINUX_H:-} ]]; then
		cp "$VMLINUX_H" "$dir/vmlinux.h.new"
	elif [[ -r /sys/kernel/btf/vmlinux ]]; then
		bpftool btf dump file /sys/kernel/btf/vmlinux format c >"$dir/vmlinux.h.new"
	else
		echo "build: this kernel has no BTF (/sys/kernel/btf/vmlinux): CONFIG_DEBUG_INFO_BTF is needed" >&2
		exit 1
	fi
	# For example when an image for arm64 is built on x86, under emulation.
	from=$(grep -q '^struct user_pt_regs {' "$dir/vmlinux.h.new" && echo arm64 || echo x86)
	if [[ $from != "$arch" ]]; then
		sed -i -e 's/\bstruct pt_regs\b/struct foreign_pt_regs/g' -e '/^#define __VMLINUX_H__$/r bpf/registers.h' \
			"$dir/vmlinux.h.new"
	fi
	mv "$dir/vmlinux.h.new" "$dir/vmlinux.h"
	echo "$types" >"$dir/vmlinux.release"
fi

compile() { # compile OUT SOURCE: one BPF object file
	clang -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter \
		-Wno-missing-field-initializers -D__TARGET_ARCH_"$arch" -I"$dir" -Ibpf/include -Ibpf -c "$2" -o "$1.new"
	llvm-strip -g "$1.new"
	mv "$1.new" "$1"
}

# The verdict is compiled twice: verdict_by_probe.bpf.c includes it.
headers=("$dir/vmlinux.h" bpf/include/*.h bpf/scan/*.h bpf/sk_msg/verdict.bpf.c)
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
