import { readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The edits of the meshes' own installers in a CNI directory, according to their sources. */
export interface MeshInstaller {
  readonly name: string
  readonly type: string
  readonly installs: (directory: string) => void
  readonly uninstalls: (directory: string) => void
}

interface List {
  plugins: { type: string; [field: string]: unknown }[]
}

function edit(directory: string, change: (list: List) => List): void {
  const name = readdirSync(directory).find((file) => file.endsWith('.conflist'))
  if (name === undefined) throw new Error(`no list in ${directory}`)
  const path = join(directory, name)
  const list: List = JSON.parse(readFileSync(path, 'utf8'))
  // Both sort or reformat everything, so no other layout survives.
  const text = JSON.stringify(change(list), undefined, 2)
  writeFileSync(join(directory, '.new'), text)
  renameSync(join(directory, '.new'), path)
}

function installer(name: string, type: string): MeshInstaller {
  const without = ({ plugins, ...rest }: List): List => ({
    ...rest,
    plugins: plugins.filter((plugin) => plugin.type !== type),
  })
  return {
    name,
    type,
    installs: (directory) =>
      edit(directory, (list) => {
        const { plugins, ...rest } = without(list)
        return { ...rest, plugins: [...plugins, { type, name: type, log_level: 'info' }] }
      }),
    uninstalls: (directory) => edit(directory, without),
  }
}

/** istio/istio cni/pkg/install/cniconfig.go and linkerd/linkerd2-proxy-init cni-plugin/deployment. */
export const meshes: readonly MeshInstaller[] = [
  installer('istio', 'istio-cni'),
  installer('linkerd', 'linkerd-cni'),
]

export function istioInstalls(directory: string): void {
  meshes[0]?.installs(directory)
}

/** A list of plugins of these types. */
export function listWith(...types: readonly string[]): string {
  const plugins = types.map((type) => ({ type }))
  return JSON.stringify({ cniVersion: '1.0.0', name: 'pods', plugins })
}
