import {
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Node,
  type YAMLMap,
} from 'yaml'
import { messageOf } from '../../lib/errno.ts'
import {
  cidrRule,
  maxRules,
  maxUid,
  nonEmpty,
  portRule,
  uidRule,
  type Exclusions,
  type RuleKind,
} from '../../pods/exclusions.ts'
import { guardForm, parseGuard } from '../../lib/guard-limit.ts'
import type { Mesh } from '../../pods/meshes.ts'
import {
  blockingReaders,
  podKey,
  type BlockingReaders,
  type NetnsRef,
  type ObservedPod,
} from '../../pods/observed-pod.ts'
import { PodsFileError, type Position } from './pods-file-error.ts'

const podFields = [
  'namespace',
  'name',
  'netns',
  'pid',
  'mesh',
  'proxyUid',
  'proxyGid',
  'enabled',
  'blockingReaders',
  'guard',
  'exclude',
] as const
type PodField = (typeof podFields)[number]
const excludeFields = ['ports', 'cidrs', 'uids'] as const
type ExcludeField = (typeof excludeFields)[number]
const meshes: readonly Mesh[] = ['istio', 'linkerd', 'ambient']

/** Namespace and pod names as Kubernetes allows them. */
const kubernetesName = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/
/** PID_MAX_LIMIT of 64-bit Linux. */
const maxPid = 4_194_304

/**
 * Parses the text of a pods file: every pod, in file order. Throws a PodsFileError at the first error, and no other
 * exception. `path` is for its message only.
 */
export function parsePodsFile(text: string, path: string): ObservedPod[] {
  const lines = new LineCounter()
  const fail = (reason: string, offset: number, hint?: string): never => {
    throw new PodsFileError(path, positionAt(lines, offset), reason, { hint })
  }
  return new Reading(fail).pods(parseYaml(text, lines, fail))
}

type Fail = (reason: string, offset: number, hint?: string) => never

function positionAt(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset)
  return line === 0 ? { line: 1, column: 1 } : { line, column: col }
}

function parseYaml(text: string, lines: LineCounter, fail: Fail): unknown {
  let document
  try {
    document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  } catch (error) {
    // The parser collects errors. An exception is a case that its author did not expect.
    return fail(`not YAML: ${messageOf(error)}`, 0)
  }
  const problem = document.errors[0] ?? document.warnings[0]
  if (problem) return fail(`not YAML: ${problem.message}`, problem.pos[0])
  return document.contents
}

/** One pass over the syntax tree, which has the position of every node. */
class Reading {
  readonly #fail: Fail

  constructor(fail: Fail) {
    this.#fail = fail
  }

  pods(root: unknown): ObservedPod[] {
    const shape = 'The file starts with `pods:` and lists the pods below it; `pods: []` is none.'
    if (!isMap(root)) return this.#fail('`pods` is missing', offsetOf(root), shape)
    const fields = this.#fields(root, ['pods'], 'The only field at the top is `pods`.')
    const list = fields.get('pods')
    if (list === undefined) return this.#fail('`pods` is missing', offsetOf(root), shape)
    if (!isSeq(list)) {
      return this.#fail(`\`pods\` must be a list, not ${kindOf(list)}`, offsetOf(list, root), shape)
    }
    const seen = new Set<string>()
    return list.items.map((item) => {
      if (!isMap(item)) {
        return this.#fail(`a pod must be a map, not ${kindOf(item)}`, offsetOf(item, list))
      }
      const pod = this.#pod(item)
      if (seen.has(podKey(pod))) {
        return this.#fail(
          `duplicate pod ${podKey(pod)}`,
          offsetOf(item),
          'A pod is listed once; namespace and name together tell pods apart.',
        )
      }
      seen.add(podKey(pod))
      return pod
    })
  }

  #pod(map: YAMLMap): ObservedPod {
    const fields = this.#fields(map, podFields, `A pod's fields are ${podFields.join(', ')}.`)
    const namespace = this.#name(map, fields, 'namespace')
    const name = this.#name(map, fields, 'name')
    const netns = this.#netns(map, fields)
    const mesh = this.#mesh(map, fields)
    const proxyUid = this.#integer(map, fields, 'proxyUid', 0, maxUid)
    const proxyGid = this.#integer(map, fields, 'proxyGid', 0, maxUid)
    const enabled = this.#boolean(map, fields, 'enabled')
    const blocking = this.#blockingReaders(map, fields)
    const guard = this.#guard(map, fields)
    const exclusions = this.#exclusions(map, fields)
    return {
      namespace,
      name,
      netns,
      ...(mesh === undefined ? {} : { mesh }),
      ...(proxyUid === undefined ? {} : { proxyUid }),
      ...(proxyGid === undefined ? {} : { proxyGid }),
      ...(enabled === undefined ? {} : { enabled }),
      ...(blocking === undefined ? {} : { blockingReaders: blocking }),
      ...(guard === undefined ? {} : { guard }),
      ...(exclusions === undefined ? {} : { exclusions }),
    }
  }

  /** The values of a map by key. Fails on an unknown key. */
  #fields<Field extends string>(
    map: YAMLMap,
    known: readonly Field[],
    hint: string,
  ): Map<Field, unknown> {
    const found = new Map<Field, unknown>()
    for (const { key, value } of map.items) {
      const name = isScalar(key) ? key.value : undefined
      const field = known.find((candidate) => candidate === name)
      if (field === undefined) {
        const said = typeof name === 'string' ? ` \`${name}\`` : ''
        return this.#fail(`unknown field${said}`, offsetOf(key, map), hint)
      }
      found.set(field, value)
    }
    return found
  }

  #netns(map: YAMLMap, fields: Fields): NetnsRef {
    const path = this.#string(map, fields, 'netns')
    const pid = this.#integer(map, fields, 'pid', 1, maxPid)
    if (path !== undefined && pid !== undefined) {
      return this.#fail(
        '`netns` and `pid` exclude each other',
        offsetOf(fields.get('pid'), map),
        'Name the network namespace once: by its path, or by a process in it.',
      )
    }
    if (pid !== undefined) return { pid }
    if (path === undefined) {
      return this.#fail(
        '`netns` or `pid` is missing',
        offsetOf(map),
        'Name the network namespace: `netns: /run/netns/NAME`, or `pid: 1234` for a process in it.',
      )
    }
    if (!path.startsWith('/') || path.includes('\0')) {
      return this.#fail('`netns` must be an absolute path', offsetOf(fields.get('netns'), map))
    }
    return { path }
  }

  #mesh(map: YAMLMap, fields: Fields): Mesh | undefined {
    const said = this.#string(map, fields, 'mesh')
    if (said === undefined) return undefined
    const mesh = meshes.find((candidate) => candidate === said)
    if (mesh !== undefined) return mesh
    return this.#fail(
      `unknown mesh \`${said}\``,
      offsetOf(fields.get('mesh'), map),
      `Known meshes are ${meshes.join(', ')}; for another one give the sidecar's uid as \`proxyUid\`.`,
    )
  }

  #blockingReaders(map: YAMLMap, fields: Fields): BlockingReaders | undefined {
    const said = this.#string(map, fields, 'blockingReaders')
    if (said === undefined) return undefined
    const choice = blockingReaders.find((candidate) => candidate === said)
    if (choice !== undefined) return choice
    return this.#fail(
      `\`blockingReaders\` must be ${blockingReaders.join(' or ')}, not \`${said}\``,
      offsetOf(fields.get('blockingReaders'), map),
      '`accelerate` lets connections whose reader blocks join; `leave`, the default, keeps them on TCP.',
    )
  }

  #guard(map: YAMLMap, fields: Fields): number | undefined {
    if (!fields.has('guard')) return undefined
    const node = fields.get('guard')
    const value: unknown = isScalar(node) ? node.value : undefined
    const limit =
      typeof value === 'string' || typeof value === 'number' ? parseGuard(String(value)) : undefined
    if (limit !== undefined) return limit
    return this.#fail(
      `\`guard\` must be ${guardForm}, not ${kindOf(node)}`,
      offsetOf(node, map),
      'Acceleration may make p99 this much slower before the pod goes back to TCP.',
    )
  }

  #exclusions(map: YAMLMap, fields: Fields): Exclusions | undefined {
    if (!fields.has('exclude')) return undefined
    const node = fields.get('exclude')
    const shape = 'Such as `exclude: {ports: [22, 8000-8999], cidrs: [10.0.0.0/8], uids: [0]}`.'
    if (!isMap(node)) {
      return this.#fail(
        `\`exclude\` must be a map, not ${kindOf(node)}`,
        offsetOf(node, map),
        shape,
      )
    }
    const lists = this.#fields(node, excludeFields, shape)
    return nonEmpty({
      ports: this.#rules(node, lists, 'ports', portRule),
      cidrs: this.#rules(node, lists, 'cidrs', cidrRule),
      uids: this.#rules(node, lists, 'uids', uidRule),
    })
  }

  #rules<Rule>(
    map: YAMLMap,
    lists: ReadonlyMap<ExcludeField, unknown>,
    field: ExcludeField,
    { what, parse }: RuleKind<Rule>,
  ): Rule[] {
    if (!lists.has(field)) return []
    const list = lists.get(field)
    if (!isSeq(list)) {
      return this.#fail(`\`${field}\` must be a list, not ${kindOf(list)}`, offsetOf(list, map))
    }
    return list.items.map((item, index) => {
      const value: unknown = isScalar(item) ? item.value : undefined
      const isText = typeof value === 'string' || typeof value === 'number'
      const rule = isText ? parse(String(value)) : undefined
      if (rule === undefined) {
        return this.#fail(`${kindOf(item)} is not ${what}`, offsetOf(item, list))
      }
      if (index >= maxRules) {
        return this.#fail(`\`${field}\` has more than ${maxRules} rules`, offsetOf(item, list))
      }
      return rule
    })
  }

  #name(map: YAMLMap, fields: Fields, field: PodField): string {
    const text = this.#string(map, fields, field)
    if (text === undefined) return this.#fail(`\`${field}\` is missing`, offsetOf(map))
    if (kubernetesName.test(text)) return text
    return this.#fail(
      `\`${field}\` is not a name`,
      offsetOf(fields.get(field), map),
      'Names have lower-case letters, digits, `-` and `.`, as in Kubernetes.',
    )
  }

  #string(map: YAMLMap, fields: Fields, field: PodField): string | undefined {
    return this.#typed(map, fields, field, 'text', (value) => typeof value === 'string')
  }

  #boolean(map: YAMLMap, fields: Fields, field: PodField): boolean | undefined {
    return this.#typed(map, fields, field, 'true or false', (value) => typeof value === 'boolean')
  }

  #integer(
    map: YAMLMap,
    fields: Fields,
    field: PodField,
    low: number,
    high: number,
  ): number | undefined {
    const inRange = (value: unknown): value is number =>
      typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high
    return this.#typed(map, fields, field, `a whole number from ${low} to ${high}`, inRange)
  }

  #typed<Value>(
    map: YAMLMap,
    fields: Fields,
    field: PodField,
    expected: string,
    fits: (value: unknown) => value is Value,
  ): Value | undefined {
    if (!fields.has(field)) return undefined
    const node = fields.get(field)
    const value: unknown = isScalar(node) ? node.value : undefined
    if (fits(value)) return value
    return this.#fail(`\`${field}\` must be ${expected}, not ${kindOf(node)}`, offsetOf(node, map))
  }
}

type Fields = Map<PodField, unknown>

/** The offset where a node starts. An absent node gets the offset of `around`. */
function offsetOf(node: unknown, around?: Node): number {
  const range = isNode(node) ? node.range : around?.range
  return range?.[0] ?? 0
}

function kindOf(node: unknown): string {
  if (isMap(node)) return 'a map'
  if (isSeq(node)) return 'a list'
  if (!isScalar(node)) return node == null ? 'nothing' : 'an alias'
  const value: unknown = node.value
  if (typeof value === 'string') return `the text \`${value.slice(0, 40)}\``
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return value === null ? 'nothing' : 'something else'
}
