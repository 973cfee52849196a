#!/usr/bin/env bash
# Builds the program that renders and judges the chart in tests (test/system/deploy/admission). It goes into a cache outside
# the checkout, and takes 3 minutes of two cores once. Prints its path. Exits 3 with a reason if it cannot be built.
set -euo pipefail
cd "$(dirname "$0")/admission"

cache=${XDG_CACHE_HOME:-$HOME/.cache}/meshaccel
mkdir -p "$cache"
exec 9>"$cache/.admission.lock"
flock 9
sources=$(cat ./* | sha256sum | cut -c1-16)
built=$cache/admission-$sources
if [[ ! -x $built ]]; then
	# Older versions do not fetch a newer Go by themselves.
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
