#!/usr/bin/env bash
# need.sh WHO PROOF:PACKAGE...: installs those Debian packages whose proof, a command or a file (a pattern), is missing,
# and starts none of the services in them. Fails where it cannot, after saying what is missing for WHO.
set -euo pipefail

who=$1
shift
missing=()
for entry; do
	proof=${entry%:*}
	command -v "$proof" >/dev/null || compgen -G "$proof" >/dev/null || missing+=("${entry##*:}")
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
if [[ " ${missing[*]} " == *' bpftool '* && -z $(apt-cache policy bpftool 2>/dev/null) ]] && . /etc/os-release && [[ $ID == ubuntu ]]; then
	missing=("${missing[@]/#bpftool/linux-tools-common linux-tools-$(uname -r)}")
fi
# Tests start their own servers: Debian's are not to start. A policy that is there already stays.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod +x "$policy"
	trap 'rm -f "$policy"' EXIT
fi
# shellcheck disable=SC2068 # the replacement above may hold two names
apt-get install -y -qq --no-install-recommends ${missing[@]} >&2
