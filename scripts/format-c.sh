#!/usr/bin/env bash
# Formats the C sources. With --check it only reports unformatted ones.
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -d '' sources < <(git ls-files -z --cached --others --exclude-standard '*.c' '*.h')
((${#sources[@]})) || exit 0
if [[ ${1:-} == --check ]]; then
	clang-format --dry-run --Werror "${sources[@]}"
else
	clang-format -i "${sources[@]}"
fi
