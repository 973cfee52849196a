import { test } from 'tap'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'
import { agree, startAgent } from './churn.ts'
import { ChurnedNode } from './churned-node.ts'

const slots = [0, 1, 2, 3, 4, 5]

void test('pods come and go while the agent hangs, is killed, is away and comes back', async (t) => {
  if (!requireRoot(t)) return
  await using node = await ChurnedNode.create({ pods: 6, namespaces: 4, cniPercent: 100 })
  // Rejects if the CNI plugin fails.
  const replaceAll = async (): Promise<void> => void (await Promise.all(slots.map(replace)))
  const replace = (slot: number): Promise<void> => node.replace(slot)
  await using agent = await startAgent(node)
  await replaceAll()
  await agree(node)

  process.kill(agent.pid, 'SIGSTOP')
  await replaceAll()
  process.kill(agent.pid, 'SIGCONT')
  await agree(node)

  process.kill(agent.pid, 'SIGSTOP')
  const before = node.pluginCalls
  const waits = until('the plugin waits for it', () => node.pluginCalls > before, { pauseMs: 5 })
  await Promise.all([replaceAll(), waits.then(() => agent.kill('SIGKILL'))])
  await replaceAll()
  t.equal(node.pluginCalls, slots.length + 3 * 2 * slots.length, 'it was called each time')

  await using next = await startAgent(node)
  await agree(node)
  await replaceAll()
  await agree(node)
  t.match(next.log, /"adopted"/)
})
