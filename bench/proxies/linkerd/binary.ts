import { resolve } from 'node:path'
import { MeshaccelError } from '../../../src/lib/errors.ts'
import { systemCommand } from '../../system/system-command.ts'
import { fromPath, isExecutable } from '../executable.ts'

const NAME = 'linkerd2-proxy'
const IN_IMAGE = '/usr/lib/linkerd/linkerd2-proxy'

/** Linkerd's own proxy. */
export interface LinkerdBinary {
  readonly path: string
  readonly version: string
}

/** The hint's lines after the first one are indented as the first one will be. */
const howToGet = `Take it from the image of your mesh, TAG as in your pods, and name it by --proxy-binary:
    id=$(docker create ghcr.io/linkerd/proxy:TAG)
    docker cp "$id:${IN_IMAGE}" . && docker rm "$id"
    meshaccel bench --proxy linkerd --proxy-binary ./${NAME}`

/**
 * Finds the proxy: the given file, else on the PATH, else where its image has it. Throws `NO_LINKERD_PROXY` if there is
 * none, and `BAD_LINKERD_PROXY` if it does not run here.
 */
export function findLinkerd(given: string | undefined): LinkerdBinary {
  const path = given === undefined ? installed() : resolve(given)
  if (path === undefined || !isExecutable(path)) {
    const reason =
      path === undefined
        ? `there is no ${NAME} on the PATH, and the bench cannot install one`
        : `${path} is not an executable file`
    throw new MeshaccelError(reason, {
      code: 'NO_LINKERD_PROXY',
      operation: "find Linkerd's proxy",
      hint: howToGet,
    })
  }
  return { path, version: versionOf(path) }
}

const installed = (): string | undefined =>
  fromPath(NAME) ?? (isExecutable(IN_IMAGE) ? IN_IMAGE : undefined)

/** The proxy has no option for it. It logs its version, and ends because it has no configuration. */
function versionOf(path: string): string {
  const script = 'env -i PATH="$PATH" LINKERD2_PROXY_LOG=info timeout 10 "$0" 2>&1 || true'
  const output = systemCommand('bash', ['-c', script, path])
  const version = /\b(?:release|debug) (\S+) \(/.exec(output)?.[1]
  if (version !== undefined) return version
  if (/LINKERD2_PROXY|configuration/.test(output)) return 'unknown'
  throw new MeshaccelError(output.trim().split('\n').at(-1) || 'it says nothing', {
    code: 'BAD_LINKERD_PROXY',
    operation: `start ${path}`,
    hint: `Take the ${NAME} of this machine's architecture. It also needs the C library of its image, or a newer one.`,
  })
}
