/** Words that two processors share are ordered by full barriers, on arm64 too: bpf/include/maps.bpf.h. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { packageRoot } from '../../../src/lib/package.ts'

const include = join(packageRoot, 'bpf/include')

/** The assembler text of a program that runs a statement on two words, one of 32 and one of 64 bits. */
function assembled(statement: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'meshaccel-barriers-'))
  try {
    const source = join(directory, 'one.bpf.c')
    writeFileSync(
      source,
      `#include "maps.bpf.h"
SEC("sockops") int one(struct bpf_sock_ops *ctx)
{
	__u32 *word = bpf_map_lookup_elem(&meshaccel_config, &zero);
	__u64 *long_word = (void *)word;

	if (word) {
		${statement};
	}
	return 0;
}
`,
    )
    const flags = [
      '-target',
      'bpf',
      '-mcpu=v3',
      '-O2',
      '-g',
      '-D__TARGET_ARCH_arm64',
      '-I',
      include,
    ]
    return execFileSync('clang', [...flags, '-S', source, '-o', '-'], { encoding: 'utf8' })
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** An atomic operation that returns the old value. The kernel orders only these on every machine. */
const ordering = /= atomic_fetch_\w+\(/
const unordered = /lock \*\(u(32|64) \*\)/

for (const statement of [
  'add_ordered(word, 1)',
  'add_ordered(long_word, 1)',
  'load_fence(word)',
  'load_fence(long_word)',
]) {
  void test(`${statement} is a full barrier`, (t) => {
    const text = assembled(statement)
    t.match(text, ordering)
    t.notMatch(text, unordered)
    t.end()
  })
}

void test('an add whose old value nobody uses is none, which the test would see', (t) => {
  t.match(assembled('__sync_fetch_and_add(word, 1)'), unordered)
  t.end()
})
