import { isDeepStrictEqual } from 'node:util'
import { MeshaccelError } from '../src/lib/errors.ts'
import { elementsOf, membersOf, whyNoObject, wholeOf, type Span } from './json-text.ts'

/** The plugin's `type`: the name of its binary. */
export const pluginType = 'meshaccel-cni'

/** Our entry in a list of plugins. */
export interface PluginEntry {
  readonly type: typeof pluginType
  /** The agent's CNI socket, where it is not the plugin's default. */
  readonly socket?: string
}

/** A JSON object, its strings still one byte a character. */
export type JsonObject = Readonly<Record<string, unknown>>

interface Element extends Span {
  readonly type: string | undefined
}

/**
 * The text of a list with our entry after all others, or where it already is. Every byte around it stays, whoever
 * wrote them and however; inserting again changes nothing. Throws BAD_CNI_CONF when it is no list of plugins.
 *
 * All texts here hold one byte a character: see json-text.ts.
 */
export function withPlugin(text: string, entry: PluginEntry): string {
  const [, elements] = pluginElements(text)
  const ours = elements.find(isOurs)
  const ourText = toText(entry)
  if (!ours) return withElement(text, ourText)
  const said: Partial<PluginEntry> = JSON.parse(text.slice(ours.start, ours.end))
  // Others lay it out as they like; the order is theirs to choose, too.
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

/** Whether a list has no plugin but ours. It connects no pod: its owner took out what we were chained to. */
export function hasOnlyOurs(text: string): boolean {
  const types = pluginTypes(text) ?? []
  return types.length > 0 && types.every((type) => type === pluginType)
}

/** Whether the text names our plugin anywhere, such as in a chain that a meta-plugin embeds. */
export function namesPlugin(text: string): boolean {
  const quoted = `"${pluginType}"`
  if (text.includes(quoted)) return true
  // Nobody writes it with escapes, but everybody may.
  if (!text.includes('\\u')) return false
  return text
    .replaceAll(/\\u00([2-7][0-9a-f])/gi, (_, code: string) =>
      String.fromCharCode(parseInt(code, 16)),
    )
    .includes(quoted)
}

/**
 * The list that stands for a file with a single plugin, whose text is its first element. An older list keeps what
 * other installers have added to it. Throws BAD_CNI_CONF.
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

/** The object that the text is. Throws BAD_CNI_CONF with what is wrong with it. */
export function parse(text: string): JsonObject {
  const why = whyNoObject(text)
  if (why !== undefined) throw notAList(why)
  const value: JsonObject = JSON.parse(text)
  return value
}

/** The plugin's type, whose name Go reads in any case; undefined when it is none. */
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

/** One line, in the style that most lists are written in. */
function toText({ type, socket }: PluginEntry): string {
  const rest = socket === undefined ? '' : `, "socket": ${JSON.stringify(socket)}`
  return Buffer.from(`{"type": ${JSON.stringify(type)}${rest}}`).toString('latin1')
}

/** Types of the plugins of a list, undefined when the text is not one. */
function pluginTypes(text: string): (string | undefined)[] | undefined {
  if (whyNoObject(text) !== undefined) return undefined
  const { plugins } = parse(text)
  return Array.isArray(plugins) ? plugins.map(typeOf) : undefined
}

/** Just after the bracket that opens the list, and the elements. */
function pluginElements(text: string): [open: number, elements: Element[]] {
  if (!Array.isArray(parse(text)['plugins'])) throw notAList('it has no list `plugins`')
  // The last one, as JSON readers have it.
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
    hint: 'Container runtimes cannot use such a file either: its owner has to mend it.',
  })
}
