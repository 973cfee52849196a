import { readFileSync } from 'node:fs'
import type { KubeObject } from '../../../src/sources/kubernetes/pod-facts.ts'
import { kubeNamespace, node } from '../../helpers/kube-objects.ts'

export interface PodState {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly annotations: Readonly<Record<string, string>>
  readonly sidecar: boolean
  /** Once its sandbox is up. */
  readonly ip?: string
  readonly phase: 'Pending' | 'Running' | 'Succeeded'
  /** Grows, so that each update of kubelet's is one. */
  readonly step: number
}

function fixture(name: string): KubeObject {
  const file = new URL(`../../fixtures/injected/${name}.json`, import.meta.url)
  const object: KubeObject = JSON.parse(readFileSync(file, 'utf8'))
  return object
}

const meshed = fixture('istio-native')
const plain = fixture('no-mesh')

const fields = (of: number): object =>
  Object.fromEntries(
    Array.from({ length: 60 }, (_, field) => [`f:field-${of}-${field}`, { 'f:name': {}, '.': {} }]),
  )

/** Data that servers add to objects. The agent does not read it, but it comes with every event. */
function managedFields(managers: number): object[] {
  return Array.from({ length: managers }, (_, of) => ({
    manager: `manager-${of}`,
    operation: 'Update',
    apiVersion: 'v1',
    time: '2026-11-25T20:00:00Z',
    fieldsType: 'FieldsV1',
    fieldsV1: fields(of),
  }))
}

const ofPod = managedFields(5)
const ofNamespace = managedFields(1)

/** A pod as an API server sends it: some 20 KB. */
export function podObject(state: PodState): KubeObject {
  const base = state.sidecar ? meshed : plain
  const { namespace, name, uid, annotations, ip, phase, step } = state
  const metadata = {
    ...base.metadata,
    namespace,
    name,
    uid,
    annotations: { ...base.metadata?.annotations, ...annotations },
    managedFields: ofPod,
  }
  const conditions = ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready']
  const status = {
    phase,
    ...(ip === undefined ? {} : { podIP: ip, podIPs: [{ ip }] }),
    conditions: conditions.map((type) => ({ type, status: 'True', observedGeneration: step })),
  }
  const spec = { ...base.spec, nodeName: node }
  return { ...base, metadata, spec, status }
}

/** A namespace as it is listed by metadata: 2 KB. */
export function namespaceObject(name: string, enabled: boolean | undefined): KubeObject {
  const bare = kubeNamespace(name, enabled === undefined ? undefined : String(enabled))
  const metadata = { ...bare.metadata, managedFields: ofNamespace }
  return { metadata }
}
