#!/usr/bin/env bash
# root.sh SUITE DIRECTORY: makes a pristine root of a Debian or Ubuntu release once. Apart from the release it holds only
# Node. Exits 3 if the configured mirror does not have the release.
set -euo pipefail

suite=$1
root=$2
# A second run waits until the first one has made the root.
mkdir -p "$(dirname "$root")"
exec 9>"$root.lock"
flock 9
[[ -e $root/.ready ]] && exit 0

say() { echo "fresh: $*" >&2; }

# The mirror of this machine. Many mirrors have Ubuntu's packages beside Debian's.
mirror=${MESHACCEL_FRESH_MIRROR:-$(
	grep -hE '^(URIs:|deb )' /etc/apt/sources.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
		grep -oE 'https?://[^ ]+' | head -n 1 || true
)}
components=main
case $suite in
bookworm | trixie) keyring=/usr/share/keyrings/debian-archive-keyring.gpg ;;
noble | jammy)
	keyring=/usr/share/keyrings/ubuntu-archive-keyring.gpg
	bash scripts/need.sh fresh $keyring:ubuntu-archive-keyring || true
	[[ $mirror == *ubuntu* ]] || mirror=${mirror%/*}/ubuntu
	curl -sfI -m 20 -o /dev/null "$mirror/dists/$suite/Release" || mirror=http://archive.ubuntu.com/ubuntu
	components=main,universe
	;;
*)
	say "$suite is not known: bookworm, trixie, jammy or noble"
	exit 2
	;;
esac
if [[ -z $mirror ]]; then
	say 'no mirror is configured: name one as MESHACCEL_FRESH_MIRROR'
	exit 3
fi
if [[ ! -e $keyring ]]; then
	say "$suite: there is no $keyring to check its packages with (apt-get install ubuntu-archive-keyring)"
	exit 3
fi
# If this debootstrap does not know a newer release, it uses the script of one that it knows.
script=/usr/share/debootstrap/scripts/$suite
if [[ ! -e $script ]]; then
	if [[ $suite == noble ]]; then script=${script%/*}/gutsy; else script=${script%/*}/sid; fi
fi

say "making a root of $suite from $mirror"
rm -rf "$root"
if ! debootstrap --variant=minbase --include=ca-certificates --components=$components --keyring="$keyring" \
	"$suite" "$root" "$mirror" "$script" >"$root.log" 2>&1; then
	tail -n 5 "$root.log" >&2
	say "$suite cannot be had from $mirror; the whole log is $root.log"
	exit 3
fi

# The root also gets the access to the mirror, the certificates, and Node 20 or newer.
rm -rf "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/*
printf 'deb [signed-by=%s] %s %s %s\n' "$keyring" "$mirror" "$suite" "${components//,/ }" >"$root/etc/apt/sources.list"
mkdir -p "$root$(dirname "$keyring")"
cp "$keyring" "$root$keyring"
cp /etc/resolv.conf /etc/hosts "$root/etc/"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
for file in /etc/apt/apt.conf.d/99* /etc/apt/auth.conf.d/*; do
	[[ ! -e $file ]] || install -D -m 600 "$file" "$root$file"
done
install -m 755 "$(readlink -f "$(command -v node)")" "$root/usr/local/bin/node"
npm_directory=$(readlink -f "$(command -v npm)")
npm_directory=${npm_directory%/bin/*}
mkdir -p "$root/usr/local/lib/node_modules"
cp -r "$npm_directory" "$root/usr/local/lib/node_modules/npm"
ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
ln -sf ../lib/node_modules/npm/bin/npx-cli.js "$root/usr/local/bin/npx"
npm config get globalconfig | { read -r file && [[ ! -e $file ]] || install -D -m 600 "$file" "$root/usr/local/etc/npmrc"; }
[[ ! -e ~/.npmrc ]] || install -m 600 ~/.npmrc "$root/root/.npmrc"
# Unpacks packages without a sync for each, which is faster: the root is disposable.
echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/unsafe-io"
touch "$root/.ready"
