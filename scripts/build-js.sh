#!/usr/bin/env bash
# Builds the JavaScript that a checkout runs, which needs only `npm ci`: the used part of client-node, and dist/. A target
# is rebuilt only when one of its inputs is newer.
set -euo pipefail
cd "$(dirname "$0")/.."

. scripts/stale.sh

mkdir -p build
# Only one build runs at a time, and each output appears whole.
exec 9>build/.lock
flock 9

bundle=build/kube-config.js
if stale $bundle scripts/bundle-{kube-config,options}.mjs node_modules/@kubernetes/client-node/package.json; then
	node scripts/bundle-kube-config.mjs $bundle.new
	mv $bundle.new $bundle
fi

mapfile -d '' typescript < <(find src cni bench packages/*/src -name '*.ts' -print0)
if stale dist/.built scripts/bundle-{cli,options}.mjs package.json src/*/*.proto "${typescript[@]}"; then
	node scripts/bundle-cli.mjs
	touch dist/.built
fi
