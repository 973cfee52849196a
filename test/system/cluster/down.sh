#!/usr/bin/env bash
# down.sh DIR: ends the cluster of up.sh in any state. All its processes are in one cgroup. When the last of them ends, its
# namespaces end, and with these its mounts, pins and networks. Keeps DIR/log.
set -euo pipefail
. "$(dirname "$0")/place.sh"

tree=$cgroup2/$group
processes() { find "$tree" -name cgroup.procs -exec cat {} + 2>/dev/null; }
for _ in $(seq 300); do
	[[ -n $(processes) ]] || break
	# The kernel kills the whole cgroup, so no process escapes by forking. A process that is starting a group may be
	# missed.
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
		# A group is busy while its last process is ending.
		find "$hierarchy/$group" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
	done
	echo "cluster: $hierarchy/$group stays" >&2
	exit 1
done
rm -rf "$dir"/{bin,certs,containerd,etcd,kubelet,images,kubeconfig,kubelet.yaml,sa.key,sa.pub,tokens.csv}
