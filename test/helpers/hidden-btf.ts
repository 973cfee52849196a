/** An agent that does not see /sys/kernel/btf/vmlinux: a tmpfs in a mount namespace of its own hides it. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import type { Mesh } from './mesh.ts'
import { until } from './retry.ts'
import { Traffic } from './traffic.ts'

/** The command that starts such a process. */
export const hidesBtf: readonly string[] = [
  'unshare',
  '-m',
  '--propagation=private',
  'sh',
  '-c',
  'mount -t tmpfs tmpfs /sys/kernel/btf && exec "$@"',
  'sh',
]

const CONNECTIONS = 4
const ENOUGH_BYTES = 1n << 20n

/** Traffic of a mesh with such an agent is redirected, and each byte is right. Resolves to the agent's log. */
export async function acceleratesWithoutBtfFile(mesh: Mesh, ...flags: string[]): Promise<string> {
  mesh.through = hidesBtf
  // Measuring loads another object.
  await using agent = await mesh.startAgent('--measure', 'namespaces', ...flags)
  assert.ok(!existsSync(`/proc/${agent.pid}/root/sys/kernel/btf/vmlinux`), 'it is hidden')
  const options = { address: mesh.pod(1).address, mode: 'mixed', connections: CONNECTIONS }
  await using serving = await Traffic.start(mesh.pod(1), 'server', options)
  await using calling = await Traffic.start(mesh.pod(0), 'client', options)
  await until(
    'bytes are redirected',
    async () => (await agent.status()).totals.redirectedBytes > ENOUGH_BYTES,
    { pauseMs: 10 },
  )
  for (const side of [calling, serving]) {
    const { finished, failed, error } = await side.end()
    assert.deepEqual({ finished, failed, error }, { finished: CONNECTIONS, failed: 0, error: '' })
  }
  return agent.log
}
