# Source this file with the directory of a cluster as $1. It sets dir, group, hierarchies and cgroup2.
mkdir -p "$1"
dir=$(cd "$1" && pwd)
# In each cgroup hierarchy this group holds all processes of the node and of its pods.
group=meshaccel-$(sha256sum <<<"$dir" | cut -c1-8)
mapfile -t hierarchies < <(awk '$3 == "cgroup" || $3 == "cgroup2" {print $2}' /proc/mounts)
cgroup2=$(awk '$3 == "cgroup2" {print $2; exit}' /proc/mounts)
