import { lstatSync, readlinkSync, statSync } from 'node:fs'
import { isAbsolute, join, normalize } from 'node:path'

/** The directories where distributions keep CNI plugins. */
export const knownBinDirs: readonly string[] = [
  // containerd, CRI-O, kubeadm, kind, AKS, EKS
  '/opt/cni/bin',
  // Debian's and Ubuntu's packages
  '/usr/lib/cni',
  // Fedora's packages
  '/usr/libexec/cni',
  // GKE
  '/home/kubernetes/bin',
  // OpenShift
  '/var/lib/cni/bin',
  // k3s since 1.31.4, and before
  '/var/lib/rancher/k3s/data/cni',
  '/var/lib/rancher/k3s/data/current/bin',
  '/var/snap/microk8s/current/opt/cni/bin',
]

/**
 * The directories that have all these plugins. The runtime uses one of them. It is unknown which one, so our plugin
 * must be in all.
 */
export function directoriesWith(types: readonly string[], binDirs: readonly string[]): string[] {
  return binDirs.filter((directory) => missingFrom(directory, types) === undefined)
}

/** The first plugin that a directory lacks. */
export function missingFrom(directory: string, types: readonly string[]): string | undefined {
  return types.find((type) => !isPlugin(directory, type))
}

/** Looks for a plugin as libcni does. */
function isPlugin(directory: string, type: string): boolean {
  if (type.includes('/')) return false
  const path = join(directory, type)
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isFile()) return true
    // k3s has symlinks. Their target may be missing in a container that sees only this directory.
    if (!lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) return false
  } catch {
    return false
  }
  const target = readlinkSync(path)
  return isAbsolute(target) || normalize(target).startsWith('..')
}
