#!/usr/bin/env bash
# What run.sh runs in each kernel. Tells of each part by a line `part NAME SECONDS STATUS`, and of the policy by
# `policy NAME`.
set -uo pipefail

# An emulated processor is about twenty times slower.
export TAP_TIMEOUT=3600 MESHACCEL_PATIENCE=20

part() { # part NAME COMMAND...
	local name=$1 begin=$SECONDS
	shift
	"$@"
	echo "part $name $((SECONDS - begin)) $?"
}

doctor() {
	local report
	# Exit code 1: refused.
	report=$(node dist/src/cli.js doctor -o json) || [[ -n $report ]] || return
	printf '%s\n' "$report"
	policy=$(sed -n 's/^  "policy": "\(.*\)",$/\1/p' <<<"$report")
	echo "policy $policy"
}

tap() { node --import=tsx "$1" | grep -av '^ *ok '; }

part self-test doctor
if [[ $policy == refused ]]; then
	part agent tap test/kernels/refused.ts
else
	part conformance tap test/conformance/conformance.test.ts
	part stress node --import=tsx test/soak/main.ts --minutes 1
fi
