#!/usr/bin/env bash
# need.sh WHO PROOF:PACKAGE...: installs each Debian package whose proof is missing, without starting its services. A proof is a
# command or a file (a pattern). If it cannot install them, it fails and lists what WHO lacks.
set -euo pipefail

# Ubuntu's bpftool is a script. It runs the real one only on the kernel that it came with.
is_there() { # is_there PROOF
	if [[ $1 == bpftool ]]; then
		bpftool version >/dev/null 2>&1
	else
		command -v "$1" >/dev/null || compgen -G "$1" >/dev/null
	fi
}

# The whole answer is read first: a closed pipe would make `pipefail` say no.
has_candidate() { # has_candidate PACKAGE: whether apt could install it
	[[ $(apt-cache policy "$1" 2>/dev/null) =~ Candidate:\ [^\(] ]]
}

who=$1
shift
missing=()
for entry; do
	is_there "${entry%:*}" || missing+=("${entry##*:}")
done
((${#missing[@]})) || exit 0

if ! command -v apt-get >/dev/null || ((EUID)); then
	echo "$who: missing: ${missing[*]}" >&2
	echo "$who: install these packages, or run as root on Debian 12 or Ubuntu 24.04" >&2
	exit 1
fi
echo "$who: installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
if [[ " ${missing[*]} " == *' bpftool '* ]] && ! has_candidate bpftool; then
	tools=linux-tools-$(uname -r)
	has_candidate "$tools" || tools=linux-tools-generic
	missing=("${missing[@]/#bpftool/linux-tools-common $tools}")
fi
# Tests start their own servers, so Debian's must not start. An existing policy stays.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod +x "$policy"
	trap 'rm -f "$policy"' EXIT
fi
# shellcheck disable=SC2068 # the replacement above may hold two names
apt-get install -y -qq --no-install-recommends ${missing[@]} >&2
if [[ " ${missing[*]} " == *' linux-tools-common '* ]] && ! is_there bpftool; then
	ln -sf "$(printf '%s\n' /usr/lib/linux-tools*/bpftool /usr/lib/linux-tools/*/bpftool | grep -v '\*' | sort -V | tail -n 1)" \
		/usr/local/sbin/bpftool
	echo "$who: linked /usr/local/sbin/bpftool to $(readlink /usr/local/sbin/bpftool)" >&2
fi
