#!/usr/bin/env bash
# Boots Debian's kernels under qemu: each must earn the policy below, and those that accelerate must pass tests on the
# real data path. `run.sh SUITE...` takes only those suites. Ends with a line `N passed, N failed`.
set -uo pipefail
cd "$(dirname "$0")/../.."

policies=(
	'bullseye refused'           # 5.10: no netns cookie
	'bookworm refused'           # 6.1: no sock_recv_length
	'bookworm-backports strict'  # 6.12: FIONREAD hides a member's TCP bytes before 6.12.115 or so
	'trixie full'                # 6.12
	'sid full'                   # 7.2
	'trixie-backports full'      # 7.3
)
tests=(test/bpf/splice-watch.test.ts test/bpf/stuck.test.ts test/bpf/stream.test.ts)

for command in qemu-system-x86_64 busybox cpio curl modprobe; do
	command -v "$command" >/dev/null && continue
	echo "kernels: installing what is missing ($command)" >&2
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
		qemu-system-x86 busybox-static cpio curl kmod >&2 || exit 1
	break
done

passed=0 failed=0
result() { # result NAME STATUS
	if (($2)); then failed=$((failed + 1)) && echo "not ok - $1"; else passed=$((passed + 1)) && echo "ok - $1"; fi
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
for line in "${policies[@]}"; do
	read -r suite policy _ <<<"$line"
	[[ $# -eq 0 || " $* " == *" $suite "* ]] || continue
	if ! kernel=$(test/kernels/fetch.sh "$suite"); then
		result "$suite: a kernel to boot" 1
		continue
	fi
	test/kernels/boot.sh "$kernel" node dist/src/cli.js doctor -o json >"$log" 2>&1
	grep -q "\"policy\": \"$policy\"" "$log"
	result "$suite, ${kernel##*/}: policy $policy" $? || true
	((failed)) && sed 's/^/# /' "$log"
	[[ $policy == refused ]] && continue
	for test in "${tests[@]}"; do
		test/kernels/boot.sh "$kernel" env MESHACCEL_PATIENCE=20 npx tap run --timeout=1200 --reporter=tap "$test" >"$log" 2>&1
		status=$?
		result "$suite, ${kernel##*/}: $test" "$status"
		((status)) && sed 's/^/# /' "$log"
	done
done
echo "$passed passed, $failed failed"
((failed == 0))
