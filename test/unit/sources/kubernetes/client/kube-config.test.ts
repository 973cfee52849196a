import { join } from 'node:path'
import { test, type Test } from 'tap'
import { loadKubeConfig } from '../../../../../src/sources/kubernetes/client/kube-config.ts'

/** Loads the text as the kubeconfig that the environment names. */
async function load(t: Test, text: string | undefined): Promise<unknown> {
  const path = join(t.testdir(text === undefined ? {} : { config: text }), 'config')
  const before = process.env['KUBECONFIG']
  process.env['KUBECONFIG'] = path
  try {
    return await loadKubeConfig()
  } finally {
    if (before === undefined) delete process.env['KUBECONFIG']
    else process.env['KUBECONFIG'] = before
  }
}

const config = (changed: object): string =>
  JSON.stringify({
    'current-context': 'c',
    contexts: [{ name: 'c', context: { cluster: 'k', user: 'u' } }],
    clusters: [{ name: 'k', cluster: { server: 'https://127.0.0.1:6443' } }],
    users: [{ name: 'u', user: { token: 't' } }],
    ...changed,
  })

void test('a good one', async (t) => {
  t.match(await load(t, config({})), { currentContext: 'c' })
})

const wrong: readonly (readonly [name: string, text: string | undefined, message: RegExp])[] = [
  ['is missing', undefined, /ENOENT/],
  ['is empty', '', /it is no kubeconfig/],
  ['is no YAML', '{', /unexpected end/],
  ['has no context', config({ 'current-context': '' }), /it has no current-context/],
  [
    'has another context',
    config({ 'current-context': 'd' }),
    /it has no context d, or no cluster for it/,
  ],
  ['has no cluster', config({ clusters: [] }), /it has no context c, or no cluster for it/],
  ['has no user', config({ users: [] }), /its context c has no user/],
  [
    'has no URL',
    config({ clusters: [{ name: 'k', cluster: { server: 'ftp://x' } }] }),
    /is no URL/,
  ],
  [
    'names a certificate that is not there',
    config({
      users: [{ name: 'u', user: { 'client-certificate': '/none', 'client-key': '/none' } }],
    }),
    /ENOENT/,
  ],
]
for (const [name, text, message] of wrong) {
  void test(`one that ${name}`, async (t) => {
    await t.rejects(load(t, text), {
      code: 'BAD_KUBECONFIG',
      message,
      hint: /name a kubeconfig in KUBECONFIG/,
    })
  })
}

void test('none at all', async (t) => {
  await t.rejects(loadKubeConfig({ HOME: '/none' }), {
    code: 'BAD_KUBECONFIG',
    message: /there is neither a kubeconfig nor a ServiceAccount/,
  })
})
