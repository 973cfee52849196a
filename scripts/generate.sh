#!/usr/bin/env bash
# generate.sh [DIR]: writes what TypeScript knows of the types in C, from the built BPF objects, into the source of DIR,
# which is this checkout unless another one is named. The files are committed: the agent is built, and its unit tests run,
# without a C compiler. test/kernel/bpf/layout.test.ts fails while they are out of date.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=${1:-.}

write() { # write FILE bpf2ts-ARGUMENTS
	mkdir -p "$(dirname "$dir/$1")"
	node --import=tsx packages/libbpf/src/bin/bpf2ts.ts "${@:2}" >"$dir/$1.new"
	mv "$dir/$1.new" "$dir/$1"
}

# Without a codec: the interface of the data path has these names, too.
write src/datapath/generated-names.ts build/bpf/layout.bpf.o \
	--enum reason event_kind conn_state flow_path role measured_path histogram group
write src/datapath/maps/generated.ts build/bpf/layout.bpf.o \
	--struct event flow_end flow_event \
	--map meshaccel_{config,pods,counters,gauge,quarantine,cursor} \
	--bytes cidr.address cidr.mask
write src/datapath/measure/generated.ts build/bpf/measure.bpf.o \
	--map meshaccel_{measured,groups,measure,told,trial}
