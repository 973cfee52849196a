# Source this file.

stale() { # stale TARGET SOURCE...: is TARGET missing or older than a source?
	local target=$1 source
	shift
	[[ -e $target ]] || return 0
	for source; do [[ $source -nt $target ]] && return 0; done
	return 1
}
