#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
SEC("iter/netlink") int p(void *ctx){return 0;}
char LICENSE[] SEC("license")="GPL";
