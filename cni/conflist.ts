import { isMap, isScalar, isSeq, parseDocument, type YAMLMap } from 'yaml'
import { MeshaccelError } from '../src/errors.ts'

/** The plugin's `type`: the name of its binary. */
export const pluginType = 'meshaccel-cni'

/** Our entry in a list of plugins. */
export interface PluginEntry {
  readonly type: typeof pluginType
  /** The agent's CNI socket, where it is not the plugin's default. */
  readonly socket?: string
}

/** A file of the runtime's CNI directory. */
export interface ConfFile {
  readonly name: string
  readonly text: string
}

/** Where elements lie in the text of a list of plugins. */
interface Element {
  readonly start: number
  readonly end: number
  readonly type: string | undefined
}

/**
 * The text of a list with our entry after all others, or where it already is. Every byte around it stays, whoever
 * wrote them and however; inserting again changes nothing. Throws BAD_CNI_CONF when it is no list of plugins.
 */
export function withPlugin(text: string, entry: PluginEntry): string {
  const [open, elements] = pluginElements(text)
  const [ours] = elements.filter(isOurs)
  const ourText = toText(entry)
  if (ours) {
    const said: Partial<PluginEntry> = JSON.parse(text.slice(ours.start, ours.end))
    // Others lay it out as they like; the order is theirs to choose, too.
    if (said.socket === entry.socket) return text
    return text.slice(0, ours.start) + ourText + text.slice(ours.end)
  }
  const [first] = elements
  const last = elements.at(-1)
  if (!first || !last) return text.slice(0, open) + ourText + text.slice(open)
  const space = text.slice(open, first.start)
  return `${text.slice(0, last.end)},${space}${ourText}${text.slice(last.end)}`
}

/** The text without any entry of ours: after `withPlugin` the very text it was given. Throws BAD_CNI_CONF. */
export function withoutPlugin(text: string): string {
  const [, elements] = pluginElements(text)
  const at = elements.findLastIndex(isOurs)
  const ours = elements[at]
  if (!ours) return text
  const before = elements[at - 1]
  // The comma goes too, with the space on the side where `withPlugin` put it.
  const start = before ? before.end : ours.start
  const end = before ? ours.end : (elements[at + 1]?.start ?? ours.end)
  return withoutPlugin(text.slice(0, start) + text.slice(end))
}

/** Whether a text is a list of plugins that has an entry of ours. */
export function hasPlugin(text: string): boolean {
  return pluginTypes(text)?.includes(pluginType) ?? false
}

/** The list that a file with a single plugin stands for, its text kept as the only element. Throws BAD_CNI_CONF. */
export function listOf(text: string): string {
  const conf = parseObject(text)
  const { cniVersion, name } = conf ?? {}
  if (!conf || typeof conf['type'] !== 'string') throw notAList('it names no plugin')
  const head = Object.entries({ cniVersion, name })
    .filter(([, value]) => typeof value === 'string')
    .map(([key, value]) => `  "${key}": ${JSON.stringify(value)},\n`)
  return `{\n${head.join('')}  "plugins": [\n${text.trim()}\n  ]\n}\n`
}

/**
 * The file that a container runtime takes: the first one in the order of names that it can use.
 * Undefined when there is none, as long as the node's network is not set up.
 */
export function firstNetwork(files: readonly ConfFile[]): ConfFile | undefined {
  return files
    .filter(({ name }) => /\.(?:conf|conflist|json)$/.test(name))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .find(({ name, text }) => {
      if (!name.endsWith('.conflist')) return typeof parseObject(text)?.['type'] === 'string'
      // One that has nothing but our entry connects no pod: what we were chained to has gone.
      return pluginTypes(text)?.some((type) => type !== pluginType) ?? false
    })
}

function isOurs({ type }: Element): boolean {
  return type === pluginType
}

/** One line, in the style that most lists are written in. */
function toText({ type, socket }: PluginEntry): string {
  const rest = socket === undefined ? '' : `, "socket": ${JSON.stringify(socket)}`
  return `{"type": ${JSON.stringify(type)}${rest}}`
}

/** Types of the plugins of a list, undefined when the text is not one. */
function pluginTypes(text: string): unknown[] | undefined {
  const plugins = parseObject(text)?.['plugins']
  if (!Array.isArray(plugins)) return undefined
  return plugins.map((plugin: unknown) =>
    typeof plugin === 'object' && plugin !== null && 'type' in plugin ? plugin.type : undefined,
  )
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Just after the bracket that opens the list, and the elements. JSON is YAML, whose parser tells where things are. */
function pluginElements(text: string): [open: number, elements: Element[]] {
  if (!pluginTypes(text)) throw notAList('it is not JSON with a list `plugins`')
  const { contents } = parseDocument(text, { schema: 'json', uniqueKeys: false })
  const list = isMap(contents) ? valueOf(contents, 'plugins') : undefined
  if (!isSeq(list) || !list.range) throw notAList('its list `plugins` cannot be found')
  const elements = list.items.map((item): Element => {
    if (!isMap(item) || !item.range) throw notAList('an element of `plugins` is not an object')
    const type = valueOf(item, 'type')
    const name = isScalar(type) && typeof type.value === 'string' ? type.value : undefined
    return { start: item.range[0], end: item.range[1], type: name }
  })
  return [list.range[0] + 1, elements]
}

/** The last one, as JSON readers have it. */
function valueOf(map: YAMLMap, key: string): unknown {
  return map.items.findLast((pair) => isScalar(pair.key) && pair.key.value === key)?.value
}

function notAList(reason: string): MeshaccelError {
  return new MeshaccelError(reason, {
    code: 'BAD_CNI_CONF',
    operation: 'chain into a CNI configuration',
  })
}
