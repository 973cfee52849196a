import { join } from 'node:path'
import { packageRoot } from '../../src/lib/package.ts'
import { BpfObject } from 'libbpf'
import type { UndoStack } from '../system/undo-stack.ts'
import type { Accelerator } from './accelerator.ts'

/** The bare mechanism on the processes of one cgroup. It shows the speed limit and has no safety rules. */
export function attachNaive(stack: UndoStack, cgroup: string): Accelerator {
  const object = BpfObject.open(join(packageRoot, 'build/bpf/naive.bpf.o')).load()
  stack.defer('unload the naive programs', () => object[Symbol.dispose]())
  const verdict = object.program('naive_verdict')
  const pairing = object.program('naive_watch')
  const attached = verdict.attachSkMsg(object.anyMap('naive_sockets'))
  stack.defer('detach the naive verdict', () => attached[Symbol.dispose]())
  const link = pairing.attachCgroup(cgroup)
  stack.defer('detach the naive sockops program', () => link[Symbol.dispose]())
  return { programs: { verdict: verdict.info().id, pairing: pairing.info().id } }
}
