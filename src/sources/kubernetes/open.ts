import type { Log } from '../../lib/log.ts'
import { CgroupFinder } from '../netns/cgroup.ts'
import { CriFinder, runtimeSockets } from '../netns/cri.ts'
import { loadKubeConfig } from './client/kube-config.ts'
import { nodeName } from './node-name.ts'
import { KubernetesSource } from './source.ts'

export interface KubernetesOrigin {
  readonly kubernetesNode: string
  /** The container runtime's CRI socket; absent: the sockets of known runtimes that exist. */
  readonly criSocket?: string
}

/** Opens the source for a node, with all its namespace finders. Throws BAD_KUBECONFIG. */
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
