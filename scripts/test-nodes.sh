#!/usr/bin/env bash
# test-nodes.sh [MAJOR...]: runs the unit tests on each supported major version of Node, which npm fetches as a package.
# Runs all of them, then says which ones failed.
set -uo pipefail
cd "$(dirname "$0")/.."

(($#)) || set -- 20 22 24
failed=()
for major; do
	echo "test-nodes: Node $major" >&2
	# npm's own directory for it has no other command that could come before this machine's.
	if ! node=$(npm exec --yes --package "node@$major" -- node --print process.execPath) ||
		[[ $("$node" --version) != "v$major."* ]]; then
		echo "test-nodes: npm gave no Node $major: look at \`npm view node@$major version\`" >&2
		failed+=("$major")
		continue
	fi
	PATH=$(dirname "$node"):$PATH npm run test:unit -- --reporter=tap || failed+=("$major")
done
if ((${#failed[@]})); then
	echo "test-nodes: failed on Node ${failed[*]}" >&2
	exit 1
fi
echo "test-nodes: passed on Node $*" >&2
