/**
 * The admission webhook of a mesh: each pod gets what /etc/injector/patch.json adds. There need be no DNS in the cluster:
 * where a namespace has a pod `server`, the others know it by its name.
 */
import { readFileSync } from 'node:fs'
import { createServer, get } from 'node:https'
import { text } from 'node:stream/consumers'

interface Review {
  readonly request: { readonly uid: string; readonly namespace: string }
}

interface PodList {
  readonly items: readonly { readonly status: { readonly podIP?: string } }[]
}

const injector = (name: string): string => readFileSync(`/etc/injector/${name}`, 'utf8')
const account = (name: string): string =>
  readFileSync(`/var/run/secrets/kubernetes.io/serviceaccount/${name}`, 'utf8')

const identity = { key: injector('tls.key'), cert: injector('tls.crt') }
const server = createServer(identity, (request, response) => {
  const answer = async (): Promise<void> => {
    const { request: asked }: Review = JSON.parse(await text(request))
    const added: object[] = JSON.parse(injector('patch.json'))
    const patch = [...added, ...(await hostAliases(asked.namespace))]
    response.setHeader('Content-Type', 'application/json')
    response.end(
      JSON.stringify({
        apiVersion: 'admission.k8s.io/v1',
        kind: 'AdmissionReview',
        response: {
          uid: asked.uid,
          allowed: true,
          patchType: 'JSONPatch',
          patch: Buffer.from(JSON.stringify(patch)).toString('base64'),
        },
      }),
    )
  }
  answer().catch((error: unknown) => {
    console.error(error)
    response.writeHead(500).end()
  })
})
server.listen(8443)
process.on('SIGTERM', () => process.exit(0))

async function hostAliases(namespace: string): Promise<object[]> {
  const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '' } = process.env
  const path = `/api/v1/namespaces/${namespace}/pods?labelSelector=app.kubernetes.io/name=server`
  const headers = { Authorization: `Bearer ${account('token')}` }
  const body = await new Promise<string>((resolve, reject) => {
    get({ host, port, path, headers, ca: account('ca.crt') }, (response) => {
      text(response).then(resolve, reject)
    }).on('error', reject)
  })
  const { items }: PodList = JSON.parse(body)
  const ip = items[0]?.status.podIP
  if (ip === undefined) return []
  return [{ op: 'add', path: '/spec/hostAliases', value: [{ ip, hostnames: ['server'] }] }]
}
