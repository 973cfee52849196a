#!/usr/bin/env bash
# Installs and builds the software of the test cluster, on Debian 12 or Ubuntu 24.04. Idempotent. etcd, Kubernetes, helm and
# fortio come from their Go modules by pinned sums. They are built into a cache outside the checkout, which takes 6 minutes of
# two cores once. Prints the cache's directory.
set -euo pipefail
cd "$(dirname "$0")"

# command or file that proves the package : Debian package
bash ../../../scripts/need.sh test/system/cluster \
	containerd:containerd runc:runc ctr:containerd /usr/lib/cni/bridge:containernetworking-plugins busybox:busybox-static \
	openssl:openssl ip:iproute2 iptables:iptables bpftool:bpftool tcpdump:tcpdump

cache=${XDG_CACHE_HOME:-$HOME/.cache}/meshaccel
mkdir -p "$cache"
exec 9>"$cache/.lock"
flock 9

build() { # build NAME PACKAGE: builds cache/NAME from exactly the sources that go/NAME pins
	local sources
	sources=$(cat go/"$1"/* | sha256sum | cut -c1-16)
	if [[ ! -x $cache/$1-$sources ]]; then
		# Older versions do not fetch a newer Go by themselves.
		if [[ ! $(go version 2>/dev/null) =~ go1\.(2[1-9]|[3-9][0-9]) ]]; then
			echo 'cluster: Go 1.21 or newer is needed to build Kubernetes: https://go.dev/dl' >&2
			exit 1
		fi
		echo "cluster: building $1, which takes minutes the first time" >&2
		rm -f "$cache/$1"-*
		(cd "go/$1" && go build -mod=readonly -buildvcs=false -o "$cache/.new" \
			-ldflags '-s -w -X k8s.io/component-base/version.gitVersion=v1.34.2' "$2")
		mv "$cache/.new" "$cache/$1-$sources"
	fi
	ln -sfn "$1-$sources" "$cache/$1"
}
build etcd .
build kube .
build helm helm.sh/helm/v3/cmd/helm
build fortio fortio.org/fortio
echo "$cache"
