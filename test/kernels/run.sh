#!/usr/bin/env bash
# Boots Debian's kernels under qemu: each must earn the policy below, and run what in-guest.sh does there. `run.sh WORD...`
# takes only those lines that have one of the words. Ends with a table and a line `N passed, N failed`.
set -uo pipefail
cd "$(dirname "$0")/../.."

# suite series policy
kernels=(
	'bullseye 5.10 refused'          # no netns cookie
	'bookworm 6.1 refused'           # no sock_recv_length
	'bookworm-backports 6.12 strict' # FIONREAD hides a member's TCP bytes before 6.12.115 or so
	'trixie 6.12 full'
	'trixie-backports 6.17 proxies-only' # FIONREAD hides redirected bytes
	'trixie-backports 6.18 strict'
	'trixie-backports 7 full'
	'sid 7 full'
)

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
# Prints the seconds that the part took, and returns its status; 1 if it was not reached.
part() { # part NAME
	local name seconds status
	read -r _ name seconds status < <(grep -a "^part $1 " "$log") || return 1
	echo "$seconds s"
	return "$status"
}

table=()
for line in "${kernels[@]}"; do
	read -r suite series policy <<<"$line"
	[[ $# -eq 0 || " $* " == *" $suite "* || " $* " == *" $series "* || " $* " == *" $policy "* ]] || continue
	if ! kernel=$(bash test/kernels/fetch.sh "$suite" "$series"); then
		result "$suite: a kernel $series to boot" 1
		continue
	fi
	before=$failed
	bash test/kernels/boot.sh "$kernel" bash test/kernels/in-guest.sh >"$log" 2>&1
	earned=$(sed -n 's/^.*\bpolicy \([a-z-]*\)$/\1/p' "$log" | head -n 1)
	[[ $earned == "$policy" ]]
	result "${kernel##*/}: policy $policy" $?
	parts=(conformance stress)
	[[ $policy == refused ]] && parts=(agent)
	row="${kernel##*/} | ${earned:-unknown}"
	for part in "${parts[@]}"; do
		took=$(part "$part")
		status=$?
		result "${kernel##*/}: $part" "$status"
		row+=" | $part $([[ $status == 0 ]] && echo ok || echo FAILED), ${took:-not reached}"
	done
	table+=("$row")
	((failed > before)) && sed 's/^/# /' "$log"
done
printf '%s\n' "${table[@]}"
echo "$passed passed, $failed failed"
((failed == 0))
