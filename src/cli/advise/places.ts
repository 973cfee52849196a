/** Asks the API server, with the user's own permissions, where pods are. A few requests for single pods, no lists. */

import { messageOf } from '../../lib/errno.ts'
import { KubeApi, type ApiRequest } from '../../sources/kubernetes/client/api.ts'
import { loadKubeConfig } from '../../sources/kubernetes/client/kube-config.ts'
import { nowhere, type Places, type PodPlace } from './spread.ts'

/** The addresses and the pods that are looked up; those with the most bytes. */
export const lookupLimit = 20
const timeoutMs = 10_000

interface PodObject {
  readonly metadata?: {
    readonly namespace?: string
    readonly name?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly ownerReferences?: readonly { readonly name?: string; readonly controller?: boolean }[]
  }
  readonly spec?: { readonly nodeName?: string; readonly hostNetwork?: boolean }
  readonly status?: { readonly podIPs?: readonly { readonly ip?: string }[] }
}

type Environment = Readonly<Record<string, string | undefined>>

/** The pods at these addresses, and the named pods. `error` says why they are unknown. Never throws. */
export async function findPlaces(
  addresses: readonly string[],
  pods: readonly string[],
  env: Environment,
): Promise<{ readonly places: Places; readonly error?: string }> {
  const byAddress = new Map<string, PodPlace>()
  const byPod = new Map<string, PodPlace>()
  if (addresses.length === 0 && pods.length === 0) return { places: nowhere }
  try {
    const ask = await openApi(env)
    const find = async (request: ApiRequest): Promise<PodPlace | undefined> =>
      placeIn(await ask<{ readonly items?: readonly PodObject[] }>(request))
    for (const address of first(addresses)) {
      const place = await find(requestAt(address))
      if (place) byAddress.set(address, place)
    }
    for (const pod of first(pods)) {
      const place = await find(requestOf(pod))
      if (place) byPod.set(pod, place)
    }
    return { places: { byAddress, byPod } }
  } catch (error) {
    return { places: { byAddress, byPod }, error: messageOf(error) }
  }
}

const first = (names: readonly string[]): string[] => [...new Set(names)].slice(0, lookupLimit)

async function openApi(
  env: Environment,
): Promise<<Answer>(request: ApiRequest) => Promise<Answer>> {
  const api = new KubeApi(await loadKubeConfig(env))
  const signal = AbortSignal.timeout(timeoutMs)
  return (request) => api.call(request, signal)
}

const requestAt = (address: string): ApiRequest => ({
  operation: `find the pod at ${address}`,
  path: '/api/v1/pods',
  // Pods in the network of a node share its address.
  query: { fieldSelector: `status.podIP=${address}`, limit: '2' },
})

function requestOf(pod: string): ApiRequest {
  const [namespace = '', name = ''] = pod.split('/')
  return {
    operation: `find pod ${pod}`,
    path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`,
    // A list is empty where a single object would be an error.
    query: { fieldSelector: `metadata.name=${name}` },
  }
}

function placeIn({ items = [] }: { readonly items?: readonly PodObject[] }): PodPlace | undefined {
  const [only, another] = items
  return only === undefined || another !== undefined ? undefined : placeOf(only)
}

function placeOf({ metadata = {}, spec = {}, status = {} }: PodObject): PodPlace | undefined {
  const { namespace, name, labels = {}, ownerReferences = [] } = metadata
  if (namespace === undefined || name === undefined || spec.hostNetwork) return undefined
  const owner = ownerReferences.find(({ controller }) => controller)?.name
  const hash = labels['pod-template-hash']
  return {
    namespace,
    name,
    ...(spec.nodeName === undefined ? {} : { node: spec.nodeName }),
    ips: (status.podIPs ?? []).flatMap(({ ip }) => ip ?? []),
    labels,
    // A ReplicaSet is named after its Deployment.
    workload: hash === undefined ? (owner ?? name) : (owner ?? name).replace(`-${hash}`, ''),
  }
}
