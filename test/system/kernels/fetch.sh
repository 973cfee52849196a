#!/usr/bin/env bash
# fetch.sh SUITE [SERIES]: unpacks the newest cloud kernel of a Debian suite below build/kernels, unless it is there, and prints
# its directory. SERIES (6.18) limits the search to one series. DEBIAN_MIRROR names another mirror.
set -euo pipefail
cd "$(dirname "$0")/../../.."

suite=$1
series=${2:-}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
machine=$(dpkg --print-architecture)
mkdir -p build/kernels

# Prints lines of `version package file`.
packages=$(curl -fsS --retry 3 "$mirror/dists/$suite/main/binary-$machine/Packages.xz" | xz -dc |
	awk '/^Package: / { package = $2 } /^Version: / { version = $2 } /^Filename: / { file = $2 }
	     /^$/ { if (package ~ /^linux-(image|base|binary|modules)-[0-9.]+[0-9].*cloud/) print version, package, file }')
image=$( { grep -E " linux-image-${series:+${series//./\\.}\\.}[0-9.]+([-+][^ ]*)?-cloud-$machine " <<<"$packages" || true; } | sort -V | tail -n 1 | cut -d " " -f 2)
[[ -n $image ]] || {
	echo "fetch: $mirror has no cloud kernel $series in $suite" >&2
	exit 1
}
release=${image#linux-image-}
target=build/kernels/$release
if [[ ! -d $target ]]; then
	rm -rf "$target.new"
	# Since 7.0 the image and the modules each have a package of their own.
	grep -E " linux-[a-z]+-${release//+/\\+} " <<<"$packages" | while read -r _ package file; do
		curl -fsS --retry 3 -o "build/kernels/$package.deb" "$mirror/$file"
		dpkg -x "build/kernels/$package.deb" "$target.new"
		rm "build/kernels/$package.deb"
	done
	# Since trixie the package has modules below usr/lib and images beside them.
	[[ -e $target.new/lib ]] || ln -s usr/lib "$target.new/lib"
	mv "$target.new" "$target"
fi
echo "$target"
