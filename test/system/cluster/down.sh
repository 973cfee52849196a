#!/usr/bin/env bash
# down.sh DIR: ends the cluster of up.sh, whatever state it is in. All its processes are in one cgroup; with the last of them
# go its namespaces, and with these its mounts, pins and networks. Keeps DIR/log.
set -euo pipefail
. "$(dirname "$0")/place.sh"

tree=$cgroup2/$group
processes() { find "$tree" -name cgroup.procs -exec cat {} + 2>/dev/null; }
for _ in $(seq 300); do
	[[ -n $(processes) ]] || break
	# By the kernel, so that none escapes by forking; one that starts a group may be between two.
	echo 1 >"$tree/cgroup.kill"
	sleep 0.1
done
if [[ -n $(processes) ]]; then
	echo "cluster: processes of $tree do not end: $(processes | xargs)" >&2
	exit 1
fi
for hierarchy in "${hierarchies[@]}"; do
	for _ in $(seq 50); do
		[[ -d $hierarchy/$group ]] || continue 2
		# One whose last process is just ending is busy.
		find "$hierarchy/$group" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
	done
	echo "cluster: $hierarchy/$group stays" >&2
	exit 1
done
rm -rf "$dir"/{bin,certs,containerd,etcd,kubelet,images,kubeconfig,kubelet.yaml,sa.key,sa.pub,tokens.csv}
