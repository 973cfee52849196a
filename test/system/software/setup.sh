#!/usr/bin/env bash
# Installs the programs that only the tests with real software need, on Debian 12 or Ubuntu 24.04. Idempotent.
set -euo pipefail
cd "$(dirname "$0")/../../.."

# command or file that proves the package : Debian package
bash scripts/need.sh test/system/software \
	go:golang-go redis-server:redis-server redis-benchmark:redis-tools '/usr/lib/postgresql/*/bin/initdb:postgresql' \
	iperf3:iperf3 /usr/sbin/sshd:openssh-server ssh:openssh-client

# the terminals of test/system/cli
bash scripts/need.sh test/system/cli tmux:tmux zsh:zsh
