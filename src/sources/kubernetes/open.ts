import type { Log } from '../../lib/log.ts'
import { CgroupFinder } from '../netns/cgroup.ts'
import { CriFinder, runtimeSockets } from '../netns/cri.ts'
import { loadKubeConfig } from './client/kube-config.ts'
import { nodeName } from './node-name.ts'
import { KubernetesSource } from './source.ts'

export interface KubernetesOrigin {
  readonly kubernetesNode: string
  /** Of the container runtime; absent: those of the known runtimes that are there. */
  readonly criSocket?: string
}

/** The source for a node, with everything that finds namespaces on it. Throws BAD_KUBECONFIG. */
export async function openKubernetesSource(
  { kubernetesNode, criSocket }: KubernetesOrigin,
  log: Log,
): Promise<KubernetesSource> {
  const config = await loadKubeConfig()
  const node = nodeName(kubernetesNode)
  const sockets = criSocket === undefined ? runtimeSockets() : [criSocket]
  const runtimes = sockets.map((socket) => new CriFinder(socket))
  log.info(
    { server: config.getCurrentCluster()?.server, node, runtimes: sockets },
    'pods come from Kubernetes',
  )
  return new KubernetesSource({
    config,
    node,
    finders: [...runtimes, new CgroupFinder()],
    log,
  })
}
