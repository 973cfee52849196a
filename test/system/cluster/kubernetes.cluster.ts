import { test, type Test } from 'tap'
import { kubectl } from './kubectl.ts'
import { annotations } from './steps/annotations.ts'
import { bench } from './steps/bench.ts'
import { comingPods } from './steps/coming-pods.ts'
import { forbidden } from './steps/forbidden.ts'
import { install } from './steps/install.ts'
import { looks } from './steps/looks.ts'
import { measures } from './steps/measures.ts'
import { missingAgent } from './steps/missing-agent.ts'
import { uninstall } from './steps/uninstall.ts'
import { World, system } from './world.ts'

type Step = (story: Test, world: World) => Promise<void>

/** One sequence of steps on one cluster. A failed step ends it, because the next ones depend on it. */
const withPlugin = {
  'the agent is installed beside pods that run already': install,
  'annotations take effect on live connections': annotations,
  'operators look at the cluster and at packets': looks,
  'a trial and advice measure live traffic': measures,
  'pods come, restart and go': comingPods,
  'the agent is rolled, killed and hangs': missingAgent,
  'the API server forbids the agent to look': forbidden,
  'the bench compares two namespaces': bench,
  'an uninstall leaves nothing': uninstall,
}

/** Then again, for the steps that involve the plugin. */
const withoutPlugin = {
  'the agent is installed beside pods that run already': install,
  'pods come, restart and go': comingPods,
  'the agent is rolled, killed and hangs': missingAgent,
  'an uninstall leaves nothing': uninstall,
}

void test('meshaccel in a real cluster', (t) => tell(t, withPlugin, true))
void test('without the CNI plugin', (t) => tell(t, withoutPlugin, false))

async function tell(
  t: Test,
  story: Readonly<Record<string, Step>>,
  hasPlugin: boolean,
): Promise<void> {
  using world = await World.make(t, hasPlugin)
  for (const [name, step] of Object.entries(story)) {
    const passed = await t.test(name, (inner) => step(inner, world)).then(() => t.passing())
    if (passed) continue
    const agent = ['-n', system, '-l', 'app.kubernetes.io/name=meshaccel', '--all-containers']
    t.comment(await kubectl('get', 'pods', '-A', '-o', 'wide'))
    t.comment(await kubectl('logs', ...agent, '--tail=100'))
    break
  }
}
