import { isIPv4, isIPv6 } from 'node:net'
import type { Exclusions, PortRange } from '../../observed-pod.ts'
import { meantValue } from './misspelt.ts'

/** What users write on pods and namespaces. */
export const annotationPrefix = 'meshaccel.io/'
const enabledKey = `${annotationPrefix}enabled`
const excludeKeys = {
  ports: `${annotationPrefix}exclude-ports`,
  cidrs: `${annotationPrefix}exclude-cidrs`,
  uids: `${annotationPrefix}exclude-uids`,
} as const

export type Annotations = Readonly<Record<string, string>>

/** A value that is there, or what is wrong with the text of it: a sentence for the user. */
interface Reading<Value> {
  readonly value?: Value
  readonly problem?: string
}

/** `meshaccel.io/enabled`; whatever is neither "true" nor "false" counts as absent. Pure. */
export function readEnabled(annotations: Annotations): Reading<boolean> {
  const text = annotations[enabledKey]
  if (text === undefined) return {}
  if (text === 'true' || text === 'false') return { value: text === 'true' }
  const guess = meantValue(text)
  return {
    problem:
      `${enabledKey} must be "true" or "false", not ${quote(text)}: it is ignored` +
      (guess === undefined ? '' : `; did you mean "${guess}"?`),
  }
}

/** The `meshaccel.io/exclude-*` of a pod; one that cannot be read makes them all `invalid`. Pure. */
export function readExclusions(annotations: Annotations): {
  readonly value?: Exclusions | 'invalid'
  readonly problems: readonly string[]
} {
  const ports = readList(annotations, excludeKeys.ports, 'a port or a range of ports', parsePorts)
  const cidrs = readList(annotations, excludeKeys.cidrs, 'an address or a CIDR', parseCidr)
  const uids = readList(annotations, excludeKeys.uids, 'a uid', (text) =>
    parseInteger(text, 0, maxUid),
  )
  const problems = [ports, cidrs, uids].flatMap(({ problem }) => problem ?? [])
  if (problems.length > 0) return { value: 'invalid', problems }
  const value = { ports: ports.value ?? [], cidrs: cidrs.value ?? [], uids: uids.value ?? [] }
  const none = Object.values(value).every((list) => list.length === 0)
  return none ? { problems } : { value, problems }
}

const maxPort = 65_535
/** The highest uid; one above is (uid_t)-1, which the kernel takes for "none". */
const maxUid = 0xffff_fffe

/** Comma-separated; blanks around an entry and an empty list are fine. */
function readList<Value>(
  annotations: Annotations,
  key: string,
  expected: string,
  parse: (text: string) => Value | undefined,
): Reading<readonly Value[]> {
  const text = annotations[key]?.trim()
  if (!text) return {}
  const values: Value[] = []
  for (const entry of text.split(',').map((part) => part.trim())) {
    const value = parse(entry)
    if (value === undefined) {
      return { problem: `${key}: ${quote(entry)} is not ${expected}: the pod is not accelerated` }
    }
    values.push(value)
  }
  return { value: values }
}

function parsePorts(text: string): PortRange | undefined {
  const [first = '', last = first, ...more] = text.split('-')
  const from = parseInteger(first, 1, maxPort)
  const to = parseInteger(last, 1, maxPort)
  if (from === undefined || to === undefined || from > to || more.length > 0) return undefined
  return { from, to }
}

/** An address alone is a CIDR of one. */
function parseCidr(text: string): string | undefined {
  const [address = '', prefix, ...more] = text.split('/')
  const bits = isIPv4(address) ? 32 : isIPv6(address) && !address.includes('%') ? 128 : undefined
  if (bits === undefined || more.length > 0) return undefined
  const length = prefix === undefined ? bits : parseInteger(prefix, 0, bits)
  return length === undefined ? undefined : `${address}/${length}`
}

function parseInteger(text: string, low: number, high: number): number | undefined {
  if (!/^\d{1,10}$/.test(text)) return undefined
  const value = Number(text)
  return value >= low && value <= high ? value : undefined
}

function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)
}
