#!/usr/bin/env bash
# Builds all that a checkout runs: the BPF objects, the CNI plugin, the walk over pods'
# sockets, and the JavaScript (build-js.sh). A target is rebuilt only when one of its inputs is newer.
set -euo pipefail
cd "$(dirname "$0")/.."

. scripts/stale.sh

mkdir -p build/cni build/netns
# Only one build runs at a time, and each output appears whole.
exec 9>build/.lock
flock 9

bash scripts/build-bpf.sh build

# Static, because it must run with the C library of any host.
plugin=build/cni/meshaccel-cni
if stale "$plugin" cni/shim/*; then
	gcc -static -s -O2 -Wall -Wextra -Werror -o "$plugin.new" cni/shim/*.c
	mv "$plugin.new" "$plugin"
fi

for program in src/datapath/netns/walk.c src/cli/capture/inside.c; do
	built=build/netns/meshaccel-$(basename "$program" .c)
	if stale "$built" "$program"; then
		gcc -static -s -O2 -Wall -Wextra -Werror -o "$built.new" "$program"
		mv "$built.new" "$built"
	fi
done

# It takes the lock itself.
exec 9>&-
bash scripts/build-js.sh
