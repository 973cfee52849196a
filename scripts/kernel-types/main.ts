/**
 * `npm run kernel-types [FILE]`: writes bpf/include/vmlinux.h, the kernel types that our BPF programs use, from FILE of
 * `bpftool btf dump file ... format c`, by default from this kernel's own. Needed when a program uses a new type. The builds
 * read the header alone, so they give the same objects on every machine. The loader relocates each access to the kernel that
 * runs.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../src/lib/package.ts'
import { reduce } from './reduce.ts'

const PLACES = ['bpf', 'bench', 'test']
const OUT = 'bpf/include/vmlinux.h'
/** For the declarations of the helpers in libbpf's own headers. */
const ALWAYS = [
  '__u8',
  '__u16',
  '__u32',
  '__u64',
  '__s8',
  '__s16',
  '__s32',
  '__s64',
  '__be16',
  '__be32',
  '__wsum',
  'bool',
]

const [file] = process.argv.slice(2)
const dump =
  file === undefined
    ? execFileSync('bpftool', 'btf dump file /sys/kernel/btf/vmlinux format c'.split(' '), {
        encoding: 'utf8',
        maxBuffer: 2 ** 28,
      })
    : readFileSync(file, 'utf8')
const sources = PLACES.flatMap((place) =>
  readdirSync(join(packageRoot, place), { recursive: true, encoding: 'utf8' })
    .map((name) => join(place, name))
    .filter((path) => (place === 'bpf' ? /\.[ch]$/ : /\.bpf\.c$/).test(path) && path !== OUT),
)
  .toSorted()
  .map((path) => readFileSync(join(packageRoot, path), 'utf8'))
const types = reduce(dump, sources, ALWAYS)
writeFileSync(
  join(packageRoot, OUT),
  `/* SPDX-License-Identifier: GPL-2.0-only */
/* The types of the kernel that the programs use, with the members that they use. \`npm run kernel-types\` writes it. The places of
 * the members mean nothing: the loader relocates each access. */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

${types}
#include "registers.h"

#pragma clang attribute pop

#endif /* __VMLINUX_H__ */
`,
)
execFileSync('clang-format', ['-i', OUT], { cwd: packageRoot })
