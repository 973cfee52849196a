import { test } from 'tap'
import { kubectl } from './kubectl.ts'
import { annotations } from './steps/annotations.ts'
import { bench } from './steps/bench.ts'
import { comingPods } from './steps/coming-pods.ts'
import { forbidden } from './steps/forbidden.ts'
import { install } from './steps/install.ts'
import { missingAgent } from './steps/missing-agent.ts'
import { uninstall } from './steps/uninstall.ts'
import { World, system } from './world.ts'

/** One story on one cluster: a step that fails ends it, because the next ones build upon it. */
const steps = {
  'the agent is installed beside pods that run already': install,
  'annotations take effect on live connections': annotations,
  'pods come, restart and go': comingPods,
  'the agent is rolled, killed and hangs': missingAgent,
  'the API server forbids the agent to look': forbidden,
  'the bench compares two namespaces': bench,
  'an uninstall leaves nothing': uninstall,
}

void test('meshaccel in a real cluster', async (t) => {
  using world = await World.make(t)
  for (const [name, step] of Object.entries(steps)) {
    const passed = await t.test(name, (inner) => step(inner, world)).then(() => t.passing())
    if (passed) continue
    const agent = ['-n', system, '-l', 'app.kubernetes.io/name=meshaccel', '--all-containers']
    t.comment(await kubectl('get', 'pods', '-A', '-o', 'wide'))
    t.comment(await kubectl('logs', ...agent, '--tail=100'))
    break
  }
})
