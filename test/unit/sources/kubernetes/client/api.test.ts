import { KubeConfig } from '@kubernetes/client-node'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { KubeApi } from '../../../../../src/sources/kubernetes/client/api.ts'
import { FakeKubeApi, type Identity } from '../../../../helpers/fake-kube-api.ts'
import { kubeNamespace } from '../../../../helpers/kube-objects.ts'

/** A certificate that its owner has signed itself. */
function identity(t: Test, address: string): Identity {
  const directory = t.testdir()
  const key = join(directory, 'key.pem')
  const cert = join(directory, 'cert.pem')
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const subject = ['-subj', '/CN=kube', '-addext', `subjectAltName=IP:${address}`]
  execFileSync('openssl', ['req', '-x509', ...curve, ...subject, '-keyout', key, '-out', cert], {
    stdio: 'pipe',
  })
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }
}

const namespaces = { operation: 'list namespaces', path: '/api/v1/namespaces' }

void test('trusts the authority of the kubeconfig', async (t) => {
  await using api = await FakeKubeApi.start(identity(t, '127.0.0.1'))
  api.set('namespaces', kubeNamespace('shop'))
  const answer = await new KubeApi(api.config).call(namespaces, new AbortController().signal)
  t.match(answer, { items: [{ metadata: { name: 'shop' } }] })
})

const untrusted = {
  code: 'API_UNTRUSTED',
  message: /^list namespaces at https:\/\/127.0.0.1:\d+: its certificate is not trusted: /,
  hint: /certificate authority of the kubeconfig/,
  retryable: true,
}

void test('trusts nobody else', async (t) => {
  await using api = await FakeKubeApi.start(identity(t, '127.0.0.1'))
  const stranger = new KubeConfig()
  const server = { name: 'fake', server: api.url, skipTLSVerify: false }
  stranger.loadFromClusterAndUser(server, { name: 'agent', token: 'secret' })
  const call = new KubeApi(stranger).call(namespaces, new AbortController().signal)
  await t.rejects(call, untrusted)
  t.strictSame(api.requests, [], 'and tells him no token')
})

void test('trusts a server under its own address only', async (t) => {
  await using api = await FakeKubeApi.start(identity(t, '127.0.0.2'))
  const call = new KubeApi(api.config).call(namespaces, new AbortController().signal)
  await t.rejects(call, untrusted)
  t.strictSame(api.requests, [])
})

void test('a server that speaks no TLS', async (t) => {
  await using api = await FakeKubeApi.start()
  const config = new KubeConfig()
  const server = { name: 'fake', server: api.url.replace('http:', 'https:'), skipTLSVerify: false }
  config.loadFromClusterAndUser(server, { name: 'agent', token: 'secret' })
  const call = new KubeApi(config).call(namespaces, new AbortController().signal)
  await t.rejects(call, { code: /^API_UN(TRUSTED|REACHABLE)$/, hint: /kubeconfig/ })
})

void test('a token with the line break that editors put behind it', async (t) => {
  // kubernetes/kubernetes#52919
  await using api = await FakeKubeApi.start()
  const config = new KubeConfig()
  config.loadFromString(api.config.exportConfig().replace('"secret"', '"secret\\n"'))
  await new KubeApi(config).call(namespaces, new AbortController().signal)
  t.match(api.requests, [{ authorization: 'Bearer secret' }])
})
