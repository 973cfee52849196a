#!/usr/bin/env bash
# image-root.sh DIR: lays out the file system of the container image from a built checkout. It holds the product,
# Node, and the C libraries that they load, but no shell and no package manager. The Dockerfile copies it. Tests pack
# it without a daemon.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "$1"
root=$(cd "$1" && pwd)
[[ -z $(ls -A "$root") ]] || {
	echo "image-root: $root is not empty" >&2
	exit 1
}
node=$(node -p process.execPath)
multiarch=$(gcc -print-multiarch)

mkdir -p "$root"/var/lib/meshaccel/btf "$root"/{app,etc,proc,run,sys,dev,tmp,usr/bin,usr/lib64,usr/lib/"$multiarch",var}
chmod 1777 "$root/tmp"
ln -s usr/lib "$root/lib"
ln -s usr/lib64 "$root/lib64"
ln -s /run "$root/var/run" # runtimes name network namespaces /var/run/netns/...
echo 'root:x:0:0:root:/:/sbin/nologin' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"

mapfile -t protocols < <(find src -name "*.proto")
cp --parents -r package.json dist src/cli/ui/page deploy/manifests.yaml deploy/cleanup.yaml "${protocols[@]}" \
	build/bpf/{meshaccel,measure}.bpf.o build/cni/meshaccel-cni build/netns/meshaccel-{walk,inside} \
	build/kube-config.js "$root/app"
npm ls --all --omit=dev --parseable | sed -n "s#^$PWD/\(node_modules/\(@[^/]*/\)\?[^/]*\)\$#\1#p" |
	while read -r package; do
		# The workspaces are in the bundle.
		[[ -L $package ]] || echo "$package"
	done | xargs cp --parents -r -t "$root/app"
# BTF files that a user has made for the image: docs/BTF.md
if [[ -d btf ]]; then cp -r btf "$root/app"; fi
find "$root/app" \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete

cp "$node" "$root/usr/bin/node"
sed -i '1s|/usr/bin/env -S node|/usr/bin/node|' "$root/app/dist/src/cli.js"
ln -s /app/dist/src/cli.js "$root/usr/bin/meshaccel"

# Node, the binding, and libbpf, which the binding opens by name, with all that they load.
# `meshaccel btf` runs bpftool: half a megabyte. Ubuntu has a script in its place.
bpftool=$(realpath "$(command -v bpftool)")
[[ $(head -c 4 "$bpftool") == $'\x7fELF' ]] || bpftool=
[[ -z $bpftool ]] || cp "$bpftool" "$root/usr/bin/bpftool"
libbpf=$(ldconfig -p | sed -n "s#.*libbpf\.so\.1 .*=> \(.*$multiarch.*\)#\1#p" | head -n 1)
mapfile -t loaded < <(find "$root/app/node_modules" -name '*.node')
{
	echo "$libbpf"
	ldd "$node" "$libbpf" ${bpftool:+"$bpftool"} "${loaded[@]}" | grep -o '/[^ ]* (0x' | cut -d' ' -f1
} | sort -u | while read -r library; do
	# Resolves the path as in a file system whose /lib is a link.
	cp -L "$library" "$root$(realpath "$(dirname "$library")")/"
done
