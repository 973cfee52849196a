#!/usr/bin/env bash
# up.sh DIR: starts a real one-node Kubernetes in mount, network and cgroup namespaces of its own, and waits until the node is
# Ready. With PATH=DIR/bin:$PATH KUBECONFIG=DIR/kubeconfig kubectl and helm use it. `enter COMMAND` runs a command on the node,
# and `import FILE` gives it an image. down.sh removes all of it. Needs root, and the software of setup.sh.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=$(bash "$here/setup.sh")
bash "$here/down.sh" "$1"
. "$here/place.sh"
cd "$dir"
rm -rf log
mkdir -p bin log containerd kubelet etcd

for hierarchy in "${hierarchies[@]}"; do
	mkdir -p "$hierarchy/$group"
	# With version 1 no process may enter before these are set.
	for file in cpuset.cpus cpuset.mems; do
		[[ ! -s $hierarchy/$file ]] || cat "$hierarchy/$file" >"$hierarchy/$group/$file"
	done
done
# Kubelet makes groups beside this one. With version 2 a group has either processes or groups with limits.
mkdir -p "$cgroup2/$group/daemons"

for name in kube-apiserver kube-controller-manager kube-scheduler kubelet; do ln -sf "$cache/kube" "bin/$name"; done
for name in etcd fortio; do ln -sf "$cache/$name" "bin/$name"; done
token=$(openssl rand -hex 16)
echo "$token,admin,admin,system:masters" >tokens.csv
openssl genrsa -out sa.key 2048 2>/dev/null
openssl rsa -in sa.key -pubout -out sa.pub 2>/dev/null

setsid unshare --mount --net --propagation slave bash "$here/node.sh" "$dir" </dev/null >log/node.log 2>&1 \
	3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- & # locks of the caller are not the node's to keep
node=$!
command_on_node() { # command_on_node NAME ARGUMENT...: bin/NAME, which runs something with the node's view
	printf '#!/bin/sh\nexec %s "$@"\n' "${*:2}" >"bin/$1"
	chmod +x "bin/$1"
}
command_on_node enter nsenter --target "$node" --mount --net --
command_on_node import nsenter --target "$node" --mount --net -- sh -c "'exec ctr --namespace k8s.io images import - <\"\$1\"'" sh
# kubectl and helm see the machine's files.
command_on_node kubectl nsenter --target "$node" --net -- "$dir/bin/.kubectl/kubectl"
command_on_node helm nsenter --target "$node" --net -- "$cache/helm"
command_on_node meshaccel nsenter --target "$node" --net -- "$(realpath "$here/../../../dist/src/cli.js")"
mkdir -p bin/.kubectl
ln -sf "$cache/kube" bin/.kubectl/kubectl

until_done() { # until_done WHAT COMMAND...
	for _ in $(seq 600); do
		"${@:2}" >/dev/null 2>&1 && return
		kill -0 "$node" 2>/dev/null || break
		sleep 0.2
	done
	echo "cluster: $1 did not come about; see $dir/log" >&2
	tail -n 3 log/*.log >&2
	exit 1
}
until_done 'the certificate of the API server' test -s certs/apiserver.crt
cat >kubeconfig <<Y
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "https://10.99.0.1", certificate-authority-data: $(base64 -w0 certs/apiserver.crt)}}]
users: [{name: admin, user: {token: $token}}]
contexts: [{name: test, context: {cluster: test, user: admin}}]
current-context: test
Y
export KUBECONFIG=$dir/kubeconfig
until_done 'the API server' bin/kubectl get --raw /readyz
until_done 'the node' bin/kubectl wait --for=condition=Ready nodes --all --timeout=1s
echo "cluster: ready; PATH=$dir/bin:\$PATH KUBECONFIG=$dir/kubeconfig" >&2
