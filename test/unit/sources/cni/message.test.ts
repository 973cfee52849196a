import { test } from 'tap'
import { parseCniMessage } from '../../../../src/sources/cni/message.ts'

const kubernetes =
  'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-0;K8S_POD_INFRA_CONTAINER_ID=c0;K8S_POD_UID=u-1'

interface Call {
  readonly variables?: Readonly<Record<string, string>>
  readonly configuration?: unknown
}

function message({ variables = {}, configuration = {} }: Call = {}): Buffer {
  const all = {
    CNI_COMMAND: 'ADD',
    CNI_CONTAINERID: 'c0',
    CNI_NETNS: '/run/netns/cart',
    CNI_IFNAME: 'eth0',
    CNI_ARGS: kubernetes,
    ...variables,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}=${value}\0`)
  return Buffer.from(`meshaccel-cni/1\0${lines.join('')}\0${JSON.stringify(configuration)}`)
}

void test('ADD', async (t) => {
  const prevResult = {
    interfaces: [{ name: 'veth1' }, { name: 'eth0', sandbox: '/run/netns/cart' }],
    ips: [
      { address: '10.1.2.3/24', interface: 1 },
      { address: 'fd00::3/64' },
      { address: '10.1.2.1/24', interface: 0 },
      { gateway: '10.1.2.1' },
    ],
  }
  t.strictSame(parseCniMessage(message({ configuration: { prevResult } })), {
    command: 'ADD',
    pod: {
      namespace: 'shop',
      name: 'cart-0',
      uid: 'u-1',
      containerId: 'c0',
      netnsPath: '/run/netns/cart',
      ips: ['10.1.2.3', 'fd00::3'],
    },
  })
})

void test('ADD without what older runtimes and stranger networks leave out', async (t) => {
  const CNI_ARGS = 'K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-0'
  for (const prevResult of [undefined, null, 5, {}, { ips: {} }, { ips: [null, 'x', {}] }]) {
    t.strictSame(
      parseCniMessage(message({ variables: { CNI_ARGS }, configuration: { prevResult } })),
      {
        command: 'ADD',
        pod: {
          namespace: 'shop',
          name: 'cart-0',
          containerId: 'c0',
          netnsPath: '/run/netns/cart',
          ips: [],
        },
      },
    )
  }
})

void test('DEL needs no more than the sandbox', async (t) => {
  const variables = { CNI_COMMAND: 'DEL', CNI_NETNS: '', CNI_ARGS: '' }
  t.strictSame(parseCniMessage(message({ variables })), { command: 'DEL', containerId: 'c0' })
})

void test('GC', async (t) => {
  const attachments = [{ containerID: 'c0', ifname: 'eth0' }, { ifname: 'eth0' }, null]
  for (const name of ['cni.dev/valid-attachments', 'cni.dev/attachments']) {
    const call = { variables: { CNI_COMMAND: 'GC' }, configuration: { [name]: attachments } }
    const parsed = parseCniMessage(message(call))
    t.strictSame(parsed, { command: 'GC', containerIds: new Set(['c0']) })
  }
})

void test('what tells of no pod', async (t) => {
  t.equal(parseCniMessage(message({ variables: { CNI_ARGS: '' } })), undefined)
  t.equal(parseCniMessage(message({ variables: { CNI_COMMAND: 'CHECK' } })), undefined)
})

void test('what is none', async (t) => {
  const whole = message()
  for (let length = 0; length < whole.length; length++) {
    t.throws(() => parseCniMessage(whole.subarray(0, length)), { code: 'BAD_CNI_MESSAGE' })
  }
  const wrong = [
    Buffer.from('meshaccel-cni/2\0\0{}'),
    message({ configuration: [] }),
    message({ variables: { CNI_CONTAINERID: '' } }),
    message({ variables: { CNI_NETNS: 'netns/cart' } }),
    // If the agent took this for "nothing is valid", it would forget every pod.
    message({ variables: { CNI_COMMAND: 'GC' } }),
  ]
  for (const bytes of wrong) {
    t.throws(() => parseCniMessage(bytes), { code: 'BAD_CNI_MESSAGE' }, bytes.toString())
  }
})
