#!/usr/bin/env bash
# Renders deploy/manifests.yaml from the Helm chart: what `meshaccel manifests` prints. Needs helm 3; HELM names another.
# --check says whether it is what the chart renders; where there is no helm, whether it was made of this very chart.
set -euo pipefail
cd "$(dirname "$0")/.."
namespace=meshaccel-system

helm=${HELM:-helm}
chart=deploy/helm/meshaccel
sum=$(find "$chart" -type f | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -d' ' -f1)

render() {
	echo '# Rendered from deploy/helm/meshaccel by scripts/render-manifests.sh. To remove it all: `kubectl delete` this,'
	echo '# then on each node `meshaccel cni uninstall` and `meshaccel cleanup`, which `helm uninstall` does by itself.'
	echo "# Chart: sha256 $sum"
	printf -- '---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: %s\n' "$namespace"
	"$helm" template meshaccel "$chart" --namespace "$namespace" --no-hooks --kube-version 1.34.0
}

if [[ ${1:-} == --check ]]; then
	if command -v "$helm" >/dev/null; then
		diff -u deploy/manifests.yaml <(render) >&2
	else
		grep -q "^# Chart: sha256 $sum\$" deploy/manifests.yaml || {
			echo 'deploy/manifests.yaml is older than the chart: run scripts/render-manifests.sh' >&2
			exit 1
		}
	fi
else
	render >deploy/manifests.yaml.new
	mv deploy/manifests.yaml.new deploy/manifests.yaml
fi
