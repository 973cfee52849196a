import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../src/lib/package.ts'

/** Shared by all tests of a checkout: self-tests at some hundred starts of an agent take minutes. */
const file = join(packageRoot, 'build/test/policy.json')

/** The policy depends on the booted kernel and on the programs. */
const key = (): string =>
  [
    readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    statSync(join(packageRoot, 'build/bpf/meshaccel.bpf.o')).mtimeMs,
  ].join()

/** The policy that an earlier test's agent found; undefined if there is none. */
export function knownPolicy(): string | undefined {
  try {
    const known: { key: string; policy: string } = JSON.parse(readFileSync(file, 'utf8'))
    return known.key === key() ? known.policy : undefined
  } catch {
    return undefined
  }
}

export function rememberPolicy(policy: string): void {
  if (policy === 'refused') return
  mkdirSync(join(packageRoot, 'build/test'), { recursive: true })
  writeFileSync(file, JSON.stringify({ key: key(), policy }))
}
