/** Mutations insert these: pieces that begin something, end something, or grow. */
const pieces = [
  ...'(){}[]<>#"\'\\;,*&0'.split(''),
  '\0',
  '\xff',
  '#include "x.bpf.c"\n',
  '#include <bpf/bpf_helpers.h>\n',
  '#define int int int\n',
  '__attribute__((',
  'asm volatile("',
  '.section .BTF.ext\\n',
  '_Static_assert(0,"")',
  '__builtin_preserve_access_index(',
  'SEC(".maps")',
  'struct s { struct s',
  '[0x7fffffff]',
  '"%s%n"',
  '/*',
  '//',
  '??/',
  '_Pragma("',
  'goto *',
]

const seed = `#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct value { __u64 count; char name[16]; enum { ONE, TWO = 7 } kind; };
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct value);
} table SEC(".maps");
const volatile __u64 limit = 3;
static __always_inline int twice(int x) { return 2 * x; }
SEC("xdp") int pass(struct xdp_md *ctx)
{
	__u32 key = ctx->ingress_ifindex;
	struct value *found = bpf_map_lookup_elem(&table, &key);
	if (found && found->count++ > limit)
		return twice(1);
	asm volatile("r0 = 1" ::: "r0");
	return XDP_PASS;
}
char LICENSE[] SEC("license") = "GPL";
`

/** A program with changes in some places. The same number gives the same sources. */
export function* mutations(start: number, count: number): Generator<Buffer> {
  let state = start
  // The constants are those of Numerical Recipes.
  const below = (limit: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
  for (let made = 0; made < count; made++) {
    let text = seed
    for (let changes = 1 + below(3); changes > 0; changes--) {
      const [at, length] = [below(text.length), below(12)]
      const piece = pieces[below(pieces.length)] ?? ''
      const how = below(4)
      const middle =
        how === 0
          ? piece
          : how === 1
            ? piece + text.slice(at, at + length)
            : how === 2
              ? text.slice(at, at + length).repeat(1 + below(200))
              : ''
      text = text.slice(0, at) + middle + text.slice(at + length)
    }
    yield Buffer.from(text, 'latin1')
  }
}
