import type { Test } from 'tap'
import { until } from '../../../helpers/retry.ts'
import { apply, getObjects, kubectl } from '../kubectl.ts'
import { agentReady, release, system, type World } from '../world.ts'

interface Binding {
  readonly metadata: { readonly labels: object; readonly annotations: object }
  readonly roleRef: object
  readonly subjects: object
}

/** An agent without its rights logs that and is not ready. It leaves everything as the last agent left it. */
export async function forbidden(t: Test, world: World): Promise<void> {
  const before = await world.client()
  const kind = 'clusterrolebinding'
  const { metadata, roleRef, subjects } = await getObjects<Binding>(kind, release)
  const binding = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: release, labels: metadata.labels, annotations: metadata.annotations },
    roleRef,
    subjects,
  }
  await kubectl('delete', kind, release)
  try {
    await kubectl('delete', 'pod', '-n', system, await world.agentPod())
    const complaints = await until('the agent complains', async () => {
      const errors = (await world.log()).filter(({ err }) => err?.includes('forbids'))
      return errors.length >= 2 && errors
    })
    const readiness = await world.onNode('node', '-e', readyz)
    t.match(readiness, /^503 list (?:pods|namespaces): the API server forbids it \(403\)/)
    await world.redirects(Date.now())
    await world.assertUnharmed(t, before)
    const errors = (await world.log()).filter(({ err }) => err?.includes('forbids'))
    t.equal(
      errors.length,
      complaints.length,
      'one error for each of what it may not list, and no more',
    )
  } finally {
    // Does not use helm: the test deleted it by hand and restores it by hand.
    await apply(binding)
  }
  await agentReady()
  t.match(await world.onNode('node', '-e', readyz), /^200 ok\n/)
  await world.assertUnharmed(t, before)
}

const readyz = `fetch('http://127.0.0.1:9464/readyz').then(async (r) => console.log(r.status, await r.text()))`
