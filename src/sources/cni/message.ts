import { MeshaccelError } from '../../lib/errors.ts'

/** A pod whose sandbox has just been created. Its network is up, and none of its processes runs yet. */
export interface CniPod {
  readonly namespace: string
  readonly name: string
  /** Set since containerd 1.5 and CRI-O 1.19. */
  readonly uid?: string
  /** The sandbox's ID. A pod that is created again has another one. */
  readonly containerId: string
  readonly netnsPath: string
  /** The pod's own addresses, without a prefix length. */
  readonly ips: readonly string[]
}

/** A call of the container runtime to the plugin. */
export type CniMessage =
  | { readonly command: 'ADD'; readonly pod: CniPod }
  | { readonly command: 'DEL'; readonly containerId: string }
  /** All sandboxes that still have a network. Records of other sandboxes are stale. */
  | { readonly command: 'GC'; readonly containerIds: ReadonlySet<string> }

/** The end of the header: one byte ends its last string, one ends the header. */
const headerEnd = Buffer.from('\0\0')
const greeting = 'meshaccel-cni/1'

/**
 * Parses a message of the plugin (cni/shim/agent.h): the greeting and the CNI_ variables, then the configuration.
 * Returns undefined if it concerns no pod: another orchestrator's container, or a command that we do not handle. Throws
 * BAD_CNI_MESSAGE.
 */
export function parseCniMessage(bytes: Buffer): CniMessage | undefined {
  const end = bytes.indexOf(headerEnd)
  if (end < 0) return bad('it has no header, or was cut short')
  const [first, ...lines] = bytes.toString('utf8', 0, end).split('\0')
  if (first !== greeting) return bad(`it does not begin with ${greeting}`)
  const variables = pairs(lines)
  const configuration = parseObject(bytes.toString('utf8', end + headerEnd.length))

  const command = variables.get('CNI_COMMAND')
  if (command === 'GC') return { command, containerIds: validAttachments(configuration) }
  if (command !== 'ADD' && command !== 'DEL') return undefined
  const containerId = variables.get('CNI_CONTAINERID')
  if (!containerId) return bad('CNI_CONTAINERID is missing')
  if (command === 'DEL') return { command, containerId }

  const names = pairs((variables.get('CNI_ARGS') ?? '').split(';'))
  const namespace = names.get('K8S_POD_NAMESPACE')
  const name = names.get('K8S_POD_NAME')
  if (!namespace || !name) return undefined
  const uid = names.get('K8S_POD_UID')
  const netnsPath = variables.get('CNI_NETNS') ?? ''
  if (!netnsPath.startsWith('/')) return bad('CNI_NETNS is not an absolute path')
  const ips = podAddresses(configuration['prevResult'])
  return { command, pod: { namespace, name, ...(uid ? { uid } : {}), containerId, netnsPath, ips } }
}

type JsonObject = Readonly<Record<string, unknown>>

function pairs(lines: readonly string[]): Map<string, string> {
  return new Map(
    lines.flatMap((line) => {
      const at = line.indexOf('=')
      return at < 0 ? [] : [[line.slice(0, at), line.slice(at + 1)] as const]
    }),
  )
}

function parseObject(text: string): JsonObject {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return bad('its configuration is not JSON', error)
  }
  return isObject(value) ? value : bad('its configuration is not an object')
}

/** The valid attachments of GC, since CNI 1.1. The second name is that of the first 1.1 release. */
function validAttachments(configuration: JsonObject): Set<string> {
  const valid = configuration['cni.dev/valid-attachments'] ?? configuration['cni.dev/attachments']
  if (!Array.isArray(valid)) return bad('it names no valid attachments')
  return new Set(
    valid.flatMap((attachment: unknown) =>
      isObject(attachment) && typeof attachment['containerID'] === 'string'
        ? [attachment['containerID']]
        : [],
    ),
  )
}

/** The addresses of a result, without those of interfaces on the host. */
function podAddresses(result: unknown): string[] {
  if (!isObject(result) || !Array.isArray(result['ips'])) return []
  const interfaces: readonly unknown[] = Array.isArray(result['interfaces'])
    ? result['interfaces']
    : []
  return result['ips'].flatMap((ip: unknown) => {
    if (!isObject(ip) || typeof ip['address'] !== 'string') return []
    const on = typeof ip['interface'] === 'number' ? interfaces[ip['interface']] : undefined
    if (isObject(on) && !on['sandbox']) return []
    return [ip['address'].split('/')[0] ?? '']
  })
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function bad(reason: string, cause?: unknown): never {
  throw new MeshaccelError(reason, {
    code: 'BAD_CNI_MESSAGE',
    operation: 'read a message of the CNI plugin',
    cause,
  })
}
