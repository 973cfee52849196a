#!/usr/bin/env bash
# Installs the programs that only the tests with real software need, on Debian 12 or Ubuntu 24.04. Idempotent.
set -euo pipefail

# command or file that proves it : Debian package
needed=(
	go:golang-go redis-server:redis-server redis-benchmark:redis-tools '/usr/lib/postgresql/*/bin/initdb:postgresql'
	iperf3:iperf3 /usr/sbin/sshd:openssh-server ssh:openssh-client
	# the terminals of test/cli
	tmux:tmux zsh:zsh
)
missing=()
for entry in "${needed[@]}"; do
	proof=${entry%:*}
	command -v "$proof" >/dev/null || compgen -G "$proof" >/dev/null || missing+=("${entry##*:}")
done
((${#missing[@]})) || exit 0

if ! command -v apt-get >/dev/null || ((EUID)); then
	echo "setup: missing for test/software: ${missing[*]}" >&2
	exit 1
fi
echo "setup: installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# The tests start their own servers: Debian's are not to start. A policy that is there already stays.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod +x "$policy"
	trap 'rm -f "$policy"' EXIT
fi
apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
