#!/usr/bin/env bash
# Renders deploy/manifests.yaml and deploy/cleanup.yaml from the Helm chart. `meshaccel manifests` prints the first, and the
# second with --cleanup. Needs helm 3; HELM may name another binary. --check reports whether the files match the rendered chart.
# Without helm it only compares the checksum of the chart.
set -euo pipefail
cd "$(dirname "$0")/.."

helm=${HELM:-helm}
chart=deploy/helm/meshaccel
sum=$(find "$chart" -type f | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -d' ' -f1)

# render NAMESPACE OPTION...: renders below a namespace that admits the pods
render() {
	local namespace=$1
	shift
	echo "# Chart: sha256 $sum"
	printf -- '---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: %s\n  labels:\n' "$namespace"
	echo '    # The agent needs host namespaces, host paths and capabilities.'
	echo '    pod-security.kubernetes.io/enforce: privileged'
	"$helm" template meshaccel "$chart" --namespace "$namespace" --kube-version 1.34.0 --set plainManifests=true "$@"
}

manifests() {
	echo '# Rendered from deploy/helm/meshaccel by scripts/render-manifests.sh. To remove it all: `kubectl delete` this,'
	echo '# then what the first lines of `meshaccel manifests --cleanup` say, which `helm uninstall` does by itself.'
	render meshaccel-system --set uninstall.cleanup=false
}

cleanup() {
	echo '# Rendered from deploy/helm/meshaccel by scripts/render-manifests.sh. Removes what the agent leaves on each node:'
	echo '#'
	echo '#   npx meshaccel manifests | kubectl delete -f -'
	echo '#   npx meshaccel manifests --cleanup | kubectl apply -f -'
	echo '#   kubectl -n meshaccel-cleanup rollout status daemonset/meshaccel-cleanup --timeout 5m'
	echo '#   npx meshaccel manifests --cleanup | kubectl delete -f -'
	render meshaccel-cleanup --show-only templates/uninstall.yaml
}

check() { # check FILE FUNCTION
	if command -v "$helm" >/dev/null; then
		diff -u "$1" <("$2") >&2
	else
		grep -q "^# Chart: sha256 $sum\$" "$1" || {
			echo "$1 is older than the chart: run scripts/render-manifests.sh" >&2
			return 1
		}
	fi
}

if [[ ${1:-} == --check ]]; then
	check deploy/manifests.yaml manifests
	check deploy/cleanup.yaml cleanup
else
	manifests >deploy/manifests.yaml.new
	cleanup >deploy/cleanup.yaml.new
	mv deploy/manifests.yaml.new deploy/manifests.yaml
	mv deploy/cleanup.yaml.new deploy/cleanup.yaml
fi
