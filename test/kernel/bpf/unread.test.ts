import { readFileSync } from 'node:fs'
import { test } from 'tap'
import type { Child } from '../../helpers/child.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'

interface Flooded {
  readonly event: string
  readonly sent: number
  readonly received: number
}

const CAP = 262_144
/** The allowance above TCP's own share: the limit applies to whole messages, and buffers grow. */
const MESSAGE = 65_536
const PAGE = 4096

for (const size of [MESSAGE, 1]) {
  void test(`a reader that never reads, sends of ${size} bytes`, async (t) => {
    if (!requireRoot(t)) return
    const mesh = await Mesh.make(t, { pods: 1 })
    const pod = mesh.pod(0)
    const plain = await floodOnce(pod.run<Flooded>('flood'), size)

    const agent = await mesh.startAgent('--cap', String(CAP))
    await using flooded = pod.run<Flooded>('flood')
    await until('it joins', async () => {
      await ask(flooded, 'turns 100')
      const [flow] = await agent.flows()
      return flow?.directions.every(({ path }) => path === 'redirect')
    })
    const before = await ask(flooded, 'turns 100')
    const memoryBefore = tcpMemoryBytes(pod.exec('cat', '/proc/net/sockstat'))
    const during = await ask(flooded, `flood ${size}`)
    const memory = tcpMemoryBytes(readFileSync('/proc/net/sockstat', 'utf8')) - memoryBefore
    const accepted = during.sent - before.sent
    t.ok(accepted > 0)
    t.ok(accepted <= plain + CAP + size, `accepted ${accepted}, plain TCP ${plain}`)
    // A message is charged with its descriptor, a byte of TCP with a share of its page.
    t.ok(memory < 64 * 2 ** 20, `the node's TCP memory has grown by ${memory}`)

    const after = await ask(flooded, 'drain')
    t.equal(after.received, after.sent, 'every byte arrives once it reads')
    const turned = await ask(flooded, 'turns 100')
    t.equal(turned.received, turned.sent)
    await until('it comes back to the fast path', async () => {
      await ask(flooded, 'turns 100')
      const [flow] = await agent.flows()
      return flow?.directions.every(({ path }) => path === 'redirect')
    })
    t.comment(`accepted ${accepted}, plain TCP ${plain}, memory ${memory}`)
  })
}

/** The most bytes that plain TCP takes from a sender whose peer does not read. Its buffers grow with use. */
async function floodOnce(child: Child<Flooded>, size: number): Promise<number> {
  await using flooded = child
  const before = await ask(flooded, 'turns 100')
  const { sent } = await ask(flooded, `flood ${size}`)
  return sent - before.sent
}

function ask(flooded: Child<Flooded>, command: string): Promise<Flooded> {
  const [event = ''] = command.split(' ')
  flooded.write(`${command}\n`)
  // A flood is some million sends, which take a busy machine minutes.
  return flooded.take(event, 240_000)
}

/** Pages charged to TCP on this node. */
function tcpMemoryBytes(sockstat: string): number {
  return Number(/^TCP: .* mem (\d+)$/m.exec(sockstat)?.[1]) * PAGE
}
