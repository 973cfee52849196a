#!/usr/bin/env bash
# The node, run by up.sh in new mount and network namespaces. It lays out a file system and a network of its own, which the real
# machine does not see. Then it runs etcd, Kubernetes and containerd until they are killed.
set -euo pipefail
. "$(dirname "$0")/place.sh"
echo $$ >"$cgroup2/$group/daemons/cgroup.procs"

# The node sees the mounts of pods. The machine does not see the mounts of the node.
mount --make-rshared /
cd "$dir"
mount -t tmpfs node /run
mkdir -p /run/node /run/netns /run/lock
mount --bind . /run/node
for path in /etc /opt /var; do
	mkdir -p /run/layers"$path"/{upper,work}
	mount -t overlay -o "lowerdir=$path,upperdir=/run/layers$path/upper,workdir=/run/layers$path/work" node "$path"
done
for name in containerd kubelet etcd; do
	mkdir -p "/var/lib/$name"
	mount --bind "/run/node/$name" "/var/lib/$name"
done
rm -rf /etc/cni /opt/cni /var/lib/cni /etc/resolv.conf
mkdir -p /etc/cni/net.d /opt/cni/bin
: >/etc/resolv.conf
# The node has its own file system for pins, which ends with it.
mount -t bpf bpf /sys/fs/bpf
mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing
# Settings that kubelet makes for the whole machine stay in these namespaces.
for name in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
	mkdir -p "/run/sysctl/${name%/*}"
	cat "/proc/sys/$name" >"/run/sysctl/$name"
	mount --bind "/run/sysctl/$name" "/proc/sys/$name"
done

ip link set lo up
ip link add node0 type bridge
ip address add 10.99.0.1/24 dev node0
# The address of the API server's Service. On its own node the API server needs no kube-proxy.
ip address add 10.96.0.1/32 dev node0
ip link set node0 up
ip route add default dev node0
echo 1 >/proc/sys/net/ipv4/ip_forward
ln -s /usr/lib/cni/* /opt/cni/bin/
cat >/etc/cni/net.d/10-pods.conflist <<'J'
{
  "cniVersion": "1.0.0",
  "name": "pods",
  "plugins": [
    {
      "type": "bridge",
      "bridge": "cni0",
      "isGateway": true,
      "ipam": {
        "type": "host-local",
        "ranges": [[{ "subnet": "10.244.9.0/24" }]],
        "routes": [{ "dst": "0.0.0.0/0" }]
      }
    },
    { "type": "portmap", "capabilities": { "portMappings": true } }
  ]
}
J

cd /run/node
PATH=/run/node/bin:$PATH
start() { # Restarts a process that ended, as on any node: some give up while the API server is not there yet.
	while true; do
		"$@" >>"log/$1.log" 2>&1 || sleep 0.5
	done &
}

# restrict_oom_score_adj: CAP_SYS_RESOURCE may be missing.
cat >/etc/containerd-node.toml <<'T'
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.local/pause:1"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "/etc/cni/net.d"
T
start containerd --config /etc/containerd-node.toml
start etcd --data-dir /var/lib/etcd --unsafe-no-fsync --log-level warn
# Without kube-proxy the API server must call webhooks at their pods.
start kube-apiserver --etcd-servers=http://127.0.0.1:2379 --bind-address=0.0.0.0 --secure-port=443 \
	--advertise-address=10.99.0.1 --cert-dir=certs --endpoint-reconciler-type=none --service-cluster-ip-range=10.96.0.0/16 \
	--service-account-issuer=https://kubernetes.default.svc --service-account-key-file=sa.pub \
	--service-account-signing-key-file=sa.key --token-auth-file=tokens.csv --authorization-mode=RBAC,Node \
	--enable-aggregator-routing=true --allow-privileged=true --kubelet-preferred-address-types=InternalIP

until [[ -s kubeconfig ]]; do sleep 0.1; done
start kube-controller-manager --kubeconfig=kubeconfig --bind-address=127.0.0.1 --leader-elect=false \
	--service-account-private-key-file=sa.key --root-ca-file=certs/apiserver.crt
start kube-scheduler --kubeconfig=kubeconfig --bind-address=127.0.0.1 --leader-elect=false
cat >kubelet.yaml <<Y
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupRoot: /$group
failSwapOn: false
failCgroupV1: false
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
evictionHard: {memory.available: "0%", nodefs.available: "0%", imagefs.available: "0%"}
imageGCHighThresholdPercent: 100
localStorageCapacityIsolation: false
makeIPTablesUtilChains: false
resolvConf: ""
Y
start kubelet --kubeconfig=kubeconfig --config=kubelet.yaml --hostname-override=node-1 --node-ip=10.99.0.1
wait
