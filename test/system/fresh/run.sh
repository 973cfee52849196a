#!/usr/bin/env bash
# run.sh [SUITE...]: runs the README's two commands in pristine roots, as a newcomer would. Only proc, sys and dev are mounted. At
# the end it reports what each root lacked and whether the commands kept their promise.
#
#   MESHACCEL_FRESH_ROOTS   where the roots are kept [/var/tmp/meshaccel-fresh]
#   MESHACCEL_FRESH_WHERE   where the checkout lies in them [/root/meshaccel]: root's home, which others cannot enter
#   MESHACCEL_FRESH_STEPS   `bench`, `test`, or both [bench test]
#   MESHACCEL_FRESH_TESTS   the test files that `npm test` runs [a few]
#   MESHACCEL_FRESH_MODULES `copy` takes node_modules from this checkout instead of installing them again [install]
set -euo pipefail
cd "$(dirname "$0")/../../.."

say() { echo "fresh: $*" >&2; }

suites=("$@")
((${#suites[@]})) || suites=(bookworm trixie noble)
roots=${MESHACCEL_FRESH_ROOTS:-/var/tmp/meshaccel-fresh}
where=${MESHACCEL_FRESH_WHERE:-/root/meshaccel}
steps=${MESHACCEL_FRESH_STEPS:-bench test}
tests=${MESHACCEL_FRESH_TESTS:-packages/libbpf/test/features.test.ts test/unit/lib/cgroup.test.ts test/kernel/bpf/toggle.test.ts}

if ((EUID)); then
	say 'run it as root: it makes roots and mounts in them'
	exit 1
fi
if ! bash scripts/need.sh fresh debootstrap:debootstrap /usr/share/keyrings/debian-archive-keyring.gpg:debian-archive-keyring; then
	say 'debootstrap cannot be installed here, and nothing else makes the roots'
	exit 3
fi

# Clones the checkout: a newcomer has the committed state and nothing else.
put_checkout() {
	local root=$1
	mkdir -p "$root$(dirname "$where")"
	chmod 700 "$root/root"
	git -c advice.detachedHead=false clone -q --no-hardlinks . "$root$where"
	if [[ ${MESHACCEL_FRESH_MODULES:-install} == copy ]]; then
		cp -a node_modules "$root$where/"
		# The copied file is older than the clone's lock file, but has the same content.
		touch "$root$where/node_modules/.package-lock.json"
	fi
}

# Runs a command in a root. Its namespaces end with it.
inside() {
	local root=$1
	shift
	unshare -m -p -f --propagation private bash -c '
		set -e
		root=$1 where=$2
		shift 2
		# The root of a real machine is a mount. `ip -n` needs that.
		mount --bind "$root" "$root"
		mount -t proc proc "$root/proc"
		mount -t sysfs sys "$root/sys"
		mount --rbind /dev "$root/dev"
		exec chroot "$root" /usr/bin/env -i HOME=/root LANG=C.UTF-8 \
			PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
			NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
			bash -c "cd \"\$0\" && exec \"\$@\"" "$where" "$@"
	' bash "$root" "$where" "$@"
}

# Runs one command and reports its result.
run_step() {
	local name=$1 root=$2 promise=$3
	shift 3
	local suite log status=0 begin=$SECONDS
	suite=$(basename "$root" .run)
	log=${root%.run}.$name.log
	say "$suite: $*"
	inside "$root" "$@" >"$log" 2>&1 </dev/null || status=$?
	grep -aE '^(setup|bench: mounted)|installing|^meshaccel:' "$log" | sort -u | sed 's/^/fresh:   /' >&2 || true
	if ((status == 0)) && grep -aqE "$promise" "$log"; then
		say "$suite: $name kept its promise in $((SECONDS - begin)) s"
		return 0
	fi
	tail -n "${MESHACCEL_FRESH_TAIL:-30}" "$log" >&2
	say "$suite: $name FAILED (exit $status after $((SECONDS - begin)) s); the whole log is $log"
	return 1
}

kept=() broken=() absent=()
for suite in "${suites[@]}"; do
	root=$roots/$suite
	status=0
	bash test/system/fresh/root.sh "$suite" "$root" || status=$?
	if ((status == 3)); then
		absent+=("$suite")
		continue
	fi
	((status == 0)) || exit "$status"
	# The commands install packages into the copy. The next run starts from the pristine root again.
	pristine=$root root=$root.run
	rm -rf "${root:?}"
	cp -a --reflink=auto "$pristine" "$root"
	put_checkout "$root"
	if ! inside "$root" apt-get update -qq -o APT::Update::Error-Mode=any >"${root%.run}.apt.log" 2>&1; then
		say "$suite: its packages cannot be had: ${root%.run}.apt.log"
		absent+=("$suite")
		rm -rf "${root:?}"
		continue
	fi
	for step in $steps; do
		case $step in
		bench) command=(npm run bench -- --quick) promise='x the requests of iptables' ;;
		# shellcheck disable=SC2206 # a list of files
		test) command=(npm test -- $tests) promise='# \{ total: [0-9]+, pass: [0-9]+' ;;
		esac
		if run_step "$step" "$root" "$promise" "${command[@]}"; then kept+=("$suite/$step"); else broken+=("$suite/$step"); fi
	done
	rm -rf "${root:?}"
done

say "kept: ${kept[*]:-none}; failed: ${broken[*]:-none}; not to be had here: ${absent[*]:-none}"
((${#broken[@]} == 0)) || exit 1
# If no root could be made, nothing was tested.
((${#kept[@]})) || exit 3
