/** Kubeconfigs and tokens in the forms that distributions, clouds and editors write. Each has its source. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { test, type Test } from 'tap'
import { loadKubeConfig } from '../../../../../src/sources/kubernetes/client/kube-config.ts'
import { nodeName } from '../../../../../src/sources/kubernetes/node-name.ts'

interface Request {
  headers: Record<string, string>
  ca?: Buffer
  cert?: Buffer
  key?: Buffer
}

/** The options of a request, made with a kubeconfig in a directory of its own. */
async function request(
  files: Readonly<Record<string, string | Buffer>>,
  t: Test,
  kubeconfig = 'config',
): Promise<Request> {
  const directory = t.testdir({ elsewhere: {} })
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(directory, name, '..'), { recursive: true })
    writeFileSync(join(directory, name), content)
    if (name.startsWith('bin/')) chmodSync(join(directory, name), 0o755)
  }
  const paths = kubeconfig.split(delimiter).map((name) => join(directory, name))
  const config = await loadKubeConfig({ KUBECONFIG: paths.join(delimiter) })
  const options: Request = { headers: {} }
  await config.applyToHTTPSOptions(options)
  return options
}

const clusterOf = (lines: string): string => `- name: default
  cluster:
    server: https://127.0.0.1:6443
${lines}`
const config = (user: string, cluster = ''): string => `apiVersion: v1
kind: Config
clusters:
${clusterOf(cluster)}contexts:
- name: default
  context:
    cluster: default
    user: default
current-context: default
preferences: {}
users:
- name: default
  user:
${user}`

const token = '    token: secret\n'
const base64 = Buffer.from('PEM\n').toString('base64')
const certificates = `    client-certificate-data: ${base64}\n    client-key-data: ${base64}\n`
const authority = `    certificate-authority-data: ${base64}\n`

void test('certificates in the text (k3s.yaml, kubeadm admin.conf)', async (t) => {
  const { ca, cert, key } = await request({ config: config(certificates, authority) }, t)
  t.strictSame([ca, cert, key].map(String), ['PEM\n', 'PEM\n', 'PEM\n'])
})

void test('certificates in files beside it (minikube, kubelet.conf)', async (t) => {
  const user = '    client-certificate: pki/client.crt\n    client-key: pki/client.key\n'
  const files = {
    config: config(user, '    certificate-authority: ./ca.crt\n'),
    'ca.crt': 'CA',
    'pki/client.crt': 'CRT',
    'pki/client.key': 'KEY',
  }
  const { ca, cert, key } = await request(files, t)
  t.strictSame([ca, cert, key].map(String), ['CA', 'CRT', 'KEY'])
})

const encodings: Readonly<Record<string, (text: string) => string | Buffer>> = {
  'line ends of Windows': (text) => text.replaceAll('\n', '\r\n'),
  'a byte order mark': (text) => `\uFEFF${text}`,
  JSON: () =>
    JSON.stringify({
      'current-context': 'default',
      contexts: [{ name: 'default', context: { cluster: 'default', user: 'default' } }],
      clusters: [{ name: 'default', cluster: { server: 'https://127.0.0.1:6443' } }],
      users: [{ name: 'default', user: { token: 'secret' } }],
    }),
  'a document mark and comments': (text) => `# written by hand\n---\n${text}\n# end\n`,
}
for (const [what, encode] of Object.entries(encodings)) {
  void test(what, async (t) => {
    const { headers } = await request({ config: encode(config(token)) }, t)
    t.equal(headers['Authorization'], 'Bearer secret')
  })
}

void test('UTF-16, as PowerShell writes it, is refused', async (t) => {
  const content = Buffer.from(`\uFEFF${config(token)}`, 'utf16le')
  await t.rejects(request({ config: content }, t), { code: 'BAD_KUBECONFIG', message: /UTF-8/ })
})

void test('a message quotes nothing of a file that cannot be parsed', async (t) => {
  const broken = request({ config: `${config(token)}  }\n` }, t)
  const error = await t.rejects(broken, { code: 'BAD_KUBECONFIG' })
  if (error instanceof Error) t.notMatch(error.message, /secret|\n/)
})

void test('a token in a file, by a relative path (client-go: tokenFile)', async (t) => {
  const files = { config: config('    tokenFile: var/token\n'), 'var/token': 'secret' }
  t.equal((await request(files, t)).headers['Authorization'], 'Bearer secret')
  // client-go: the file's content takes precedence.
  const both = { ...files, config: config('    token: old\n    tokenFile: var/token\n') }
  t.equal((await request(both, t)).headers['Authorization'], 'Bearer secret')
})

void test('a token file that is not there', async (t) => {
  await t.rejects(request({ config: config('    tokenFile: var/token\n') }, t), {
    code: 'BAD_KUBECONFIG',
    message: /ENOENT.*var\/token/,
  })
})

const exec = (command: string): string =>
  '    exec:\n      apiVersion: client.authentication.k8s.io/v1\n' +
  `      command: ${command}\n      interactiveMode: Never\n`

void test('a plugin, by a path relative to the kubeconfig (client-go: exec.command)', async (t) => {
  const plugin = '#!/bin/sh\necho \'{"status":{"token":"from-plugin"}}\'\n'
  const files = { config: config(exec('./bin/plugin')), 'bin/plugin': plugin }
  t.equal((await request(files, t)).headers['Authorization'], 'Bearer from-plugin')
  await t.rejects(request({ config: config(exec('meshaccel-no-such-plugin')) }, t), {
    code: 'BAD_KUBECONFIG',
    message: /meshaccel-no-such-plugin/,
  })
})

void test('several files, one of which is not there (kubectl passes over it)', async (t) => {
  const parts = {
    one: `clusters:\n${clusterOf('')}current-context: default\n`,
    two:
      'contexts: [{name: default, context: {cluster: default, user: default}}]\n' +
      'users: [{name: default, user: {token: secret}}]\n',
  }
  const names = ['none', 'one', 'two'].join(delimiter)
  t.equal((await request(parts, t, names)).headers['Authorization'], 'Bearer secret')
  await t.rejects(request(parts, t, 'none'), { code: 'BAD_KUBECONFIG', message: /ENOENT/ })
})

void test("names of nodes are as kubelet makes them from a host's", async (t) => {
  // kubernetes/kubernetes pkg/util/node: GetHostname trims the hostname and lowers its letters.
  t.equal(nodeName('Node-1.Example.COM'), 'node-1.example.com')
  t.equal(
    nodeName(' ip-10-0-0-1.eu-west-1.compute.internal\n'),
    'ip-10-0-0-1.eu-west-1.compute.internal',
  )
  t.equal(nodeName('gke-shop-default-pool-1a2b3c4d-x9yz'), 'gke-shop-default-pool-1a2b3c4d-x9yz')
})
