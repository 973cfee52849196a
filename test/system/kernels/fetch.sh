#!/usr/bin/env bash
# fetch.sh SUITE SERIES [FLAVOUR] [MACHINE]: unpacks the newest kernel of a series (6.18) in a suite of Debian or Ubuntu below
# build/kernels, unless it is there, and prints its directory. FLAVOUR is cloud (the default), generic or Ubuntu's own name for
# one. MACHINE is amd64 or arm64, by default this one. DEBIAN_MIRROR and UBUNTU_MIRROR name other mirrors.
set -euo pipefail
cd "$(dirname "$0")/../../.."

suite=$1
series=${2//./\\.}
flavour=${3:-cloud}
machine=${4:-$(dpkg --print-architecture)}
case $suite in
jammy* | noble* | resolute*)
	mirror=${UBUNTU_MIRROR:-http://archive.ubuntu.com/ubuntu}
	release="$series\\.[0-9]+-[0-9]+-$flavour"
	;;
*)
	mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
	[[ $flavour == generic ]] && kind='' || kind=-$flavour
	release="$series\\.[0-9.]+([-+][^ -]*)?$kind-$machine"
	;;
esac
mkdir -p build/kernels

# Prints lines of `version package file`.
packages=$(curl -fsS --retry 3 "$mirror/dists/$suite/main/binary-$machine/Packages.xz" | xz -dc |
	awk '/^Package: / { package = $2 } /^Version: / { version = $2 } /^Filename: / { file = $2 }
	     /^$/ { if (package ~ /^linux-(image|base|binary|modules)-[0-9.]+[0-9]/) print version, package, file }')
image=$( { grep -E " linux-image-$release " <<<"$packages" || true; } | sort -V | tail -n 1 | cut -d " " -f 2)
[[ -n $image ]] || {
	echo "fetch: $mirror has no kernel $2 $flavour for $machine in $suite" >&2
	exit 1
}
release=${image#linux-image-}
target=build/kernels/$release
if [[ ! -d $target ]]; then
	rm -rf "$target.new"
	# Ubuntu's kernels, and Debian's since 7.0, have the image and the modules in packages of their own.
	grep -E " linux-[a-z]+-${release//+/\\+} " <<<"$packages" | sort -V -u -k 2,2 | while read -r _ package file; do
		curl -fsS --retry 3 -o "build/kernels/$package.deb" "$mirror/$file"
		dpkg -x "build/kernels/$package.deb" "$target.new"
		rm "build/kernels/$package.deb"
	done
	# Since trixie the package has modules below usr/lib and images beside them.
	[[ -e $target.new/lib ]] || ln -s usr/lib "$target.new/lib"
	mv "$target.new" "$target"
fi
echo "$target"
