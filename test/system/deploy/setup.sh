#!/usr/bin/env bash
# Builds what renders and judges the chart in tests (test/system/deploy/admission) into a cache outside the checkout: 3 minutes
# of two cores once. Prints its path. Exits 3, and says why, where that cannot be.
set -euo pipefail
cd "$(dirname "$0")/admission"

cache=${XDG_CACHE_HOME:-$HOME/.cache}/meshaccel
mkdir -p "$cache"
exec 9>"$cache/.admission.lock"
flock 9
sources=$(cat ./* | sha256sum | cut -c1-16)
built=$cache/admission-$sources
if [[ ! -x $built ]]; then
	# Older ones fetch no newer Go by themselves.
	if [[ ! $(go version 2>/dev/null) =~ go1\.(2[1-9]|[3-9][0-9]) ]]; then
		echo 'needs Go 1.21 or newer to judge manifests as an API server does: https://go.dev/dl' >&2
		exit 3
	fi
	echo 'test/system/deploy: building the judge of manifests, which takes minutes the first time' >&2
	rm -f "$cache"/admission-*
	if ! go build -mod=readonly -buildvcs=false -ldflags '-s -w' -o "$cache/.admission.new" . >&2; then
		echo 'its Go modules cannot be had, or do not build' >&2
		exit 3
	fi
	mv "$cache/.admission.new" "$built"
fi
echo "$built"
