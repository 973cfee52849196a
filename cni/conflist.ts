import { isDeepStrictEqual } from 'node:util'
import { MeshaccelError } from '../src/lib/errors.ts'
import { elementsOf, membersOf, whyNoObject, wholeOf, type Span } from './json-text.ts'

/** The plugin's `type`: the name of its binary. */
export const pluginType = 'meshaccel-cni'

/** Our entry in a list of plugins. */
export interface PluginEntry {
  readonly type: typeof pluginType
  /** The agent's CNI socket, if it is not the plugin's default. */
  readonly socket?: string
}

/** A JSON object; its strings hold one byte per character. */
export type JsonObject = Readonly<Record<string, unknown>>

interface Element extends Span {
  readonly type: string | undefined
}

/**
 * Returns a list's text with our entry, after all others or where it already is. Every other byte stays as it is. A
 * second insertion changes nothing. Throws BAD_CNI_CONF if the text is not a list of plugins.
 *
 * All texts here hold one byte per character: see json-text.ts.
 */
export function withPlugin(text: string, entry: PluginEntry): string {
  const [, elements] = pluginElements(text)
  const ours = elements.find(isOurs)
  const ourText = toText(entry)
  if (!ours) return withElement(text, ourText)
  const said: Partial<PluginEntry> = JSON.parse(text.slice(ours.start, ours.end))
  // Other programs may format the entry differently, and may choose its position.
  if (said.socket === entry.socket) return text
  return text.slice(0, ours.start) + ourText + text.slice(ours.end)
}

function withElement(text: string, element: string): string {
  const [open, elements] = pluginElements(text)
  const [first] = elements
  const last = elements.at(-1)
  if (!first || !last) return text.slice(0, open) + element + text.slice(open)
  const space = text.slice(open, first.start)
  return `${text.slice(0, last.end)},${space}${element}${text.slice(last.end)}`
}

/** Returns the text without our entry: the exact text that `withPlugin` got. Throws BAD_CNI_CONF. */
export function withoutPlugin(text: string): string {
  const [, elements] = pluginElements(text)
  const at = elements.findLastIndex(isOurs)
  const ours = elements[at]
  if (!ours) return text
  const before = elements[at - 1]
  // Removes the comma as well, and the space on the side where `withPlugin` added it.
  const start = before ? before.end : ours.start
  const end = before ? ours.end : (elements[at + 1]?.start ?? ours.end)
  return withoutPlugin(text.slice(0, start) + text.slice(end))
}

/** Whether a text is a list of plugins that has an entry of ours. */
export function hasPlugin(text: string): boolean {
  return pluginTypes(text)?.includes(pluginType) ?? false
}

/** Whether a list has only our plugin. It connects no pod: its owner removed the other plugins. */
export function hasOnlyOurs(text: string): boolean {
  const types = pluginTypes(text) ?? []
  return types.length > 0 && types.every((type) => type === pluginType)
}

/** Whether the text names our plugin anywhere, such as in a chain that a meta-plugin embeds. */
export function namesPlugin(text: string): boolean {
  const quoted = `"${pluginType}"`
  if (text.includes(quoted)) return true
  // Escapes are unusual but allowed.
  if (!text.includes('\\u')) return false
  return text
    .replaceAll(/\\u00([2-7][0-9a-f])/gi, (_, code: string) =>
      String.fromCharCode(parseInt(code, 16)),
    )
    .includes(quoted)
}

/**
 * The list that replaces a file with a single plugin. That file's text is its first element. Keeps what other
 * installers added to an older list. Throws BAD_CNI_CONF.
 */
export function listFor(single: string, entry: PluginEntry, older?: string): string {
  const fresh = listOf(single)
  if (older === undefined || pluginTypes(older) === undefined) return withPlugin(fresh, entry)
  const [, elements] = pluginElements(older)
  const [first, ...others] = elements.filter((element) => !isOurs(element))
  const { cniVersion, name } = parse(single)
  const said = parse(older)
  const isCurrent =
    first !== undefined &&
    isDeepStrictEqual(JSON.parse(older.slice(first.start, first.end)), JSON.parse(single)) &&
    said['cniVersion'] === cniVersion &&
    said['name'] === name
  if (isCurrent) return withPlugin(older, entry)
  const added = others.map(({ start, end }) => older.slice(start, end))
  return withPlugin(added.reduce(withElement, fresh), entry)
}

function listOf(text: string): string {
  const conf = parse(text)
  if (!typeOf(conf)) throw notAList('it names no plugin')
  const { cniVersion, name } = conf
  const head = Object.entries({ cniVersion, name })
    .filter(([, value]) => typeof value === 'string')
    .map(([key, value]) => `  "${key}": ${JSON.stringify(value)},\n`)
  const { start, end } = wholeOf(text)
  return `{\n${head.join('')}  "plugins": [\n${text.slice(start, end)}\n  ]\n}\n`
}

/** Parses the text as an object. Throws BAD_CNI_CONF with the error. */
export function parse(text: string): JsonObject {
  const why = whyNoObject(text)
  if (why !== undefined) throw notAList(why)
  const value: JsonObject = JSON.parse(text)
  return value
}

/** The plugin's type; undefined if there is none. Go reads the key `type` in any case. */
export function typeOf(plugin: unknown): string | undefined {
  if (!isObject(plugin)) return undefined
  const key = Object.hasOwn(plugin, 'type')
    ? 'type'
    : Object.keys(plugin)
        .filter((name) => name.toLowerCase() === 'type')
        .toSorted()
        .at(-1)
  const type = key === undefined ? undefined : plugin[key]
  return typeof type === 'string' && type !== '' ? type : undefined
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isOurs({ type }: Element): boolean {
  return type === pluginType
}

/** The entry as one line, in the usual style of lists. */
function toText({ type, socket }: PluginEntry): string {
  const rest = socket === undefined ? '' : `, "socket": ${JSON.stringify(socket)}`
  return Buffer.from(`{"type": ${JSON.stringify(type)}${rest}}`).toString('latin1')
}

/** The types of a list's plugins; undefined if the text is not a list. */
function pluginTypes(text: string): (string | undefined)[] | undefined {
  if (whyNoObject(text) !== undefined) return undefined
  const { plugins } = parse(text)
  return Array.isArray(plugins) ? plugins.map(typeOf) : undefined
}

/** The position after the opening bracket of the list, and the elements. */
function pluginElements(text: string): [open: number, elements: Element[]] {
  if (!Array.isArray(parse(text)['plugins'])) throw notAList('it has no list `plugins`')
  // Takes the last member of that name, as JSON readers do.
  const list = membersOf(text, wholeOf(text)).findLast(({ name }) => name === 'plugins')?.value
  if (!list) throw notAList('it has no list `plugins`')
  const elements = elementsOf(text, list).map((span): Element => {
    const plugin: unknown = JSON.parse(text.slice(span.start, span.end))
    if (!isObject(plugin)) throw notAList('an element of `plugins` is not an object')
    return { ...span, type: typeOf(plugin) }
  })
  return [list.start + 1, elements]
}

export function notAList(reason: string): MeshaccelError {
  return new MeshaccelError(reason, {
    code: 'BAD_CNI_CONF',
    operation: 'read a CNI configuration',
    hint: 'Container runtimes cannot use such a file either: its owner has to fix it.',
  })
}
