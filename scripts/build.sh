#!/usr/bin/env bash
# Builds what a checkout runs: vmlinux.h of the running kernel, the BPF objects, the CNI plugin, what is used of
# client-node, and dist/.
# A target is rebuilt only when something it is made of is newer.
set -euo pipefail
cd "$(dirname "$0")/.."

stale() { # stale TARGET SOURCE...: is TARGET missing or older than a source?
	local target=$1 source
	shift
	[[ -e $target ]] || return 0
	for source; do [[ $source -nt $target ]] && return 0; done
	return 1
}

mkdir -p build/bpf build/cni
# One build at a time; and each output appears whole.
exec 9>build/.lock
flock 9

# The types of the running kernel, or of another one: the objects are portable.
kernel=${VMLINUX_H:-$(uname -r)}
if [[ ! -s build/vmlinux.h || $(cat build/vmlinux.release 2>/dev/null) != "$kernel" ]]; then
	if [[ -n ${VMLINUX_H:-} ]]; then
		cp "$VMLINUX_H" build/vmlinux.h.new
	elif [[ -r /sys/kernel/btf/vmlinux ]]; then
		bpftool btf dump file /sys/kernel/btf/vmlinux format c >build/vmlinux.h.new
	else
		echo "build: this kernel has no BTF (/sys/kernel/btf/vmlinux): CONFIG_DEBUG_INFO_BTF is needed" >&2
		exit 1
	fi
	mv build/vmlinux.h.new build/vmlinux.h
	echo "$kernel" >build/vmlinux.release
fi

compile() { # compile OUT SOURCE: one BPF object file
	clang -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter \
		-Wno-missing-field-initializers -D__TARGET_ARCH_"$(uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')" \
		-Ibuild -Ibpf/include -c "$2" -o "$1.new"
	llvm-strip -g "$1.new"
	mv "$1.new" "$1"
}

headers=(build/vmlinux.h bpf/include/*.h)
parts=()
for source in bpf/{iter,observe,sk_msg,sockops}/*.bpf.c; do
	part=build/bpf/$(basename "${source%.bpf.c}").o
	if stale "$part" "$source" "${headers[@]}"; then compile "$part" "$source"; fi
	parts+=("$part")
done
if stale build/bpf/meshaccel.bpf.o "${parts[@]}"; then
	bpftool gen object build/bpf/meshaccel.bpf.o.new "${parts[@]}"
	mv build/bpf/meshaccel.bpf.o.new build/bpf/meshaccel.bpf.o
fi

# Objects of their own.
for source in bpf/measure/*.bpf.c bench/bpf/*.bpf.c; do
	[[ -e $source ]] || continue
	object=build/bpf/$(basename "${source%.c}").o
	if stale "$object" "$source" "${headers[@]}"; then compile "$object" "$source"; fi
done

# Static, because it runs on any host's C library.
plugin=build/cni/meshaccel-cni
if stale "$plugin" cni/shim/*; then
	gcc -static -s -O2 -Wall -Wextra -Werror -o "$plugin.new" cni/shim/*.c
	mv "$plugin.new" "$plugin"
fi

bundle=build/kube-config.js
if stale $bundle scripts/bundle-kube-config.mjs node_modules/@kubernetes/client-node/package.json; then
	node scripts/bundle-kube-config.mjs $bundle.new
	mv $bundle.new $bundle
fi

mapfile -d '' typescript < <(find src cni bench -name '*.ts' -print0)
if stale dist/.built tsconfig.json tsconfig.build.json package.json src/api/*.proto "${typescript[@]}"; then
	npx tsc -p tsconfig.build.json
	chmod +x dist/src/cli.js
	touch dist/.built
fi
