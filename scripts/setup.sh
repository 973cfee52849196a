#!/usr/bin/env bash
# Installs missing packages on a Debian 12 or Ubuntu 24.04 machine with Node 20 or newer, and builds everything. Idempotent: it
# changes nothing if nothing is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "setup: $*" >&2; }

node_version=$(node --version 2>/dev/null || echo none)
if [[ ! $node_version =~ ^v([0-9]+) ]] || ((BASH_REMATCH[1] < 20)); then
	say "Node 20 or newer is needed, and this is $node_version: https://nodejs.org/en/download"
	exit 1
fi

# command or file that proves the package : Debian package
bash scripts/need.sh setup \
	clang:clang llvm-strip:llvm clang-format:clang-format bpftool:bpftool ip:iproute2 iptables:iptables nft:nftables \
	nsenter:util-linux bwrap:bubblewrap haproxy:haproxy nginx:nginx-light h2load:nghttp2-client wrk:wrk gcc:gcc python3:python3 \
	openssl:openssl sysctl:procps ss:iproute2 flock:util-linux tcpdump:tcpdump /usr/include/stdio.h:libc6-dev \
	/usr/include/bpf/bpf_helpers.h:libbpf-dev '/usr/lib/*/libbpf.so.1:libbpf1' /usr/include/linux/bpf.h:linux-libc-dev \
	/usr/lib/cni/ptp:containernetworking-plugins '/usr/lib/python3.*/ensurepip/__init__.py:python3-venv' spin:spin

# npm writes this file last. It is a copy of the lock file that was installed.
if [[ ! -e node_modules/.package-lock.json || package-lock.json -nt node_modules/.package-lock.json ]]; then
	say 'installing npm packages'
	npm ci --no-audit --no-fund --loglevel=error >&2
	touch node_modules/.package-lock.json
	# The plugins were built into a copy of tap that has been replaced.
	rm -rf .tap/plugins
fi
[[ -d .tap/plugins ]] || npx tap build >&2

bash scripts/build.sh
