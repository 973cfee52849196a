#!/usr/bin/env bash
# release-notes.sh VERSION: prints the changelog's section of a version. Fails if a file names another version, or if the
# changelog has nothing to say.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$1
agrees() { # agrees FILE LINE: has the file this line?
	grep -qFx -- "$2" "$1" || {
		echo "release-notes: $1 is not at version $version: set it, then tag again" >&2
		exit 1
	}
}
agrees package.json "  \"version\": \"$version\","
agrees packages/libbpf/package.json "  \"version\": \"$version\","
agrees deploy/helm/meshaccel/Chart.yaml "version: $version"
agrees deploy/helm/meshaccel/Chart.yaml "appVersion: $version"

notes=$(awk -v version="$version" '
	/^## / { inside = ($2 == version || $2 == "[" version "]"); next }
	/^\[[^]]*\]: / { next }
	inside { print }
' CHANGELOG.md)
[[ $notes == *[![:space:]]* ]] || {
	echo "release-notes: CHANGELOG.md has no section \"## $version\": rename Unreleased to it" >&2
	exit 1
}
echo "$notes"
