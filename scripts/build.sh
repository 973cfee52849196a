#!/usr/bin/env bash
# Builds all that a checkout runs: vmlinux.h of the running kernel, the BPF objects, the CNI plugin, the walk
# over pods' sockets, the used part of client-node, and dist/. A target is rebuilt only when one of its inputs is
# newer.
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

walk=build/netns/meshaccel-walk
if stale "$walk" src/datapath/netns/walk.c; then
	gcc -static -s -O2 -Wall -Wextra -Werror -o "$walk.new" src/datapath/netns/walk.c
	mv "$walk.new" "$walk"
fi

bundle=build/kube-config.js
if stale $bundle scripts/bundle-{kube-config,options}.mjs node_modules/@kubernetes/client-node/package.json; then
	node scripts/bundle-kube-config.mjs $bundle.new
	mv $bundle.new $bundle
fi

mapfile -d '' typescript < <(find src cni bench packages/*/src -name '*.ts' -print0)
if stale dist/.built scripts/bundle-{cli,options}.mjs package.json src/api/*.proto "${typescript[@]}"; then
	node scripts/bundle-cli.mjs
	touch dist/.built
fi
