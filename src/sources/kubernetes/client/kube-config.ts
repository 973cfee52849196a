import { KubeConfig } from '#kube-config'
import { existsSync } from 'node:fs'
import { delimiter } from 'node:path'
import { messageOf } from '../../../lib/errno.ts'
import { MeshaccelError } from '../../../lib/errors.ts'
import { loadKubeConfigFile } from './kube-config-file.ts'

const tokenPath = '/var/run/secrets/kubernetes.io/serviceaccount/token'

/**
 * Loads the kubeconfig as kubectl does: $KUBECONFIG, else ~/.kube/config, else the ServiceAccount of this pod. `context`
 * replaces its current context. Throws BAD_KUBECONFIG if there is none, or if it is not usable.
 */
export async function loadKubeConfig(
  env: Readonly<Record<string, string | undefined>> = process.env,
  named?: string,
): Promise<KubeConfig> {
  const from =
    env['KUBECONFIG'] || (existsSync(`${env['HOME']}/.kube/config`) ? '~/.kube/config' : tokenPath)
  const paths = env['KUBECONFIG'] || `${env['HOME']}/.kube/config`
  const operation = `read kubeconfig ${from}`
  const bad = (reason: string, cause?: unknown): MeshaccelError =>
    new MeshaccelError(reason, {
      code: 'BAD_KUBECONFIG',
      operation,
      hint: 'Run the agent in a pod with a ServiceAccount, or name a kubeconfig in KUBECONFIG.',
      cause,
    })
  if (from === tokenPath && !existsSync(tokenPath)) {
    throw bad('there is neither a kubeconfig nor a ServiceAccount')
  }
  if (from === tokenPath && !env['KUBERNETES_SERVICE_HOST']) {
    throw bad('KUBERNETES_SERVICE_HOST is not set')
  }
  let config
  try {
    config = from === tokenPath ? ofServiceAccount() : ofFiles(paths)
  } catch (error) {
    // Further lines of a parser's message quote the file, which contains secrets.
    const [message = ''] = messageOf(error).split('\n')
    throw bad(error instanceof TypeError ? 'it is no kubeconfig' : message, error)
  }
  if (named !== undefined) config.setCurrentContext(named)
  const context = config.getCurrentContext()
  const cluster = config.getCurrentCluster()
  if (!context) throw bad('it has no current-context')
  if (!cluster) throw bad(`it has no context ${context}, or no cluster for it`)
  if (!/^https?:\/\/./.test(cluster.server ?? ''))
    throw bad(`its server ${cluster.server} is no URL`)
  if (!config.getCurrentUser()) throw bad(`its context ${context} has no user`)
  try {
    // This reads certificates, keys and tokens, which may be separate files.
    await config.applyToHTTPSOptions({})
  } catch (error) {
    throw bad(messageOf(error), error)
  }
  return config
}

function ofServiceAccount(): KubeConfig {
  const config = new KubeConfig()
  config.loadFromCluster()
  return config
}

/** Skips missing files, as kubectl does, unless all are missing. */
function ofFiles(paths: string): KubeConfig {
  const files = paths.split(delimiter).filter(Boolean)
  const there = files.filter((file) => existsSync(file))
  const [first = paths, ...others] = there.length > 0 ? there : files
  const config = loadKubeConfigFile(first)
  for (const other of others) config.mergeConfig(loadKubeConfigFile(other))
  return config
}
