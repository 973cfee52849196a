import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { meshes } from '../../../bench/topology/mesh.ts'
import { ruleSet, usualRedirect } from '../../../bench/topology/rules/rule-set.ts'
import { UndoStack } from '../../../bench/system/undo-stack.ts'
import { Mesh, type Pod } from '../../helpers/mesh.ts'
import { listening } from './life.ts'

const { istio } = meshes

/** The sidecars' ports. A connection between the pods makes two more connections to these ports. */
export const SIDECARS: readonly number[] = [istio.outboundPort, istio.inboundPort]

/** Two pods with a sidecar each, behind Istio's rules: a call from one to the other makes three connections. */
export async function meshedPods(t: Test): Promise<{ mesh: Mesh; client: Pod; server: Pod }> {
  const stack = new UndoStack((message) => t.fail(message))
  t.teardown(() => stack[Symbol.dispose]())
  const mesh = await Mesh.make(t)
  const config = join(mesh.directory, 'sidecar.cfg')
  writeFileSync(config, sidecarConfig)
  chmodSync(mesh.directory, 0o711)
  const rules = ruleSet(istio, usualRedirect())
  const [client, server] = [mesh.pod(0), mesh.pod(1)]
  for (const pod of [client, server]) {
    rules.install(stack, pod)
    const identity = [`--reuid=${istio.proxyUid}`, `--regid=${istio.proxyUid}`, '--clear-groups']
    pod.start('setpriv', ...identity, '--', 'haproxy', '-f', config)
    for (const port of SIDECARS) await listening(pod, port)
  }
  return { mesh, client, server }
}

/** 0.0.0.0 means the client's original destination. */
const sidecarConfig = `global
  nbthread 1
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen outbound
  bind 0.0.0.0:${istio.outboundPort}
  server next 0.0.0.0
listen inbound
  bind 0.0.0.0:${istio.inboundPort}
  server next 0.0.0.0 source ${istio.inboundSource}
`
