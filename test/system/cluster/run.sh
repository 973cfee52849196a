#!/usr/bin/env bash
# The script of `npm run test:cluster`; see README.md. Arguments go to tap.
set -euo pipefail
cd "$(dirname "$0")/../../.."
if ((EUID)) && [[ -z ${KUBECONFIG:-} ]]; then
	echo 'cluster: root is needed to bring one up; KUBECONFIG names another' >&2
	exit 1
fi

if [[ -z ${KUBECONFIG:-} ]]; then
	dir=${XDG_CACHE_HOME:-$HOME/.cache}/meshaccel/cluster
	mkdir -p "$dir"
	exec 9>"$dir/.lock"
	flock -n 9 || {
		echo 'cluster: another run has it' >&2
		exit 1
	}
	trap 'bash test/system/cluster/down.sh "$dir"' EXIT
	trap 'exit 130' INT TERM
	bash test/system/cluster/up.sh "$dir"
	export KUBECONFIG=$dir/kubeconfig PATH=$dir/bin:$PATH CLUSTER_IMPORT=import
	# The agent sees only this node's own processes.
	HELM_SET=agent.cgroupPath=$(. test/system/cluster/place.sh "$dir" && echo "$cgroup2/$group")
	export HELM_SET
	export BENCH_IMAGE=registry.local/fortio:1
	ours=("$dir/bin/kubelet" "$dir/bin/fortio")
else
	dir=$(mktemp -d)
	trap 'rm -rf "$dir"' EXIT
	ours=()
	mkdir "$dir/bin"
	ln -s "$PWD/dist/src/cli.js" "$dir/bin/meshaccel"
	export PATH=$PATH:$dir/bin
fi

# shellcheck disable=SC2086 # a command with its arguments
npx tsx test/system/cluster/images.ts "$dir/images" "${ours[@]}" | while read -r image; do
	${CLUSTER_IMPORT:?names a command that brings an image archive to the nodes} "$image" </dev/null
done
npx tap run --timeout=1500 --reporter=tap "$@" test/system/cluster/kubernetes.cluster.ts
