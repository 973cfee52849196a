import { isObject, notAList, parse, pluginType, typeOf, type JsonObject } from './conflist.ts'

/** A file of the runtime's CNI directory. */
export interface ConfFile {
  readonly name: string
  /** One byte per character, so that unchanged parts are written back as they were. */
  readonly text: string
}

/** A network as a container runtime reads it from a file. */
export interface Network {
  readonly file: ConfFile
  /** The network's name; empty if a single plugin has none. */
  readonly name: string
  /** Whether the file has a single plugin instead of a list. */
  readonly single: boolean
  /** Types of its plugins without ours. */
  readonly types: readonly string[]
  /** Why it cannot take our entry; undefined if it can. */
  readonly unchainable: string | undefined
}

/** The CNI versions that our plugin supports: cni/shim/main.c. */
const spoken = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0']

const confName = /\.(?:conf|conflist|json)$/

/** The files that container runtimes read, in their order. */
export function inOrder(files: readonly ConfFile[]): ConfFile[] {
  return files
    .filter(({ name }) => confName.test(name))
    .toSorted((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)))
}

/**
 * Reads a file by the rules of libcni 1.3: `ConfListFromFile`, and `ConfFromFile` for a single plugin. Throws
 * BAD_CNI_CONF if libcni refuses it. In that case containerd, which takes the first file or none, has no network. CRI-O
 * takes the next file.
 */
export function readNetwork(file: ConfFile): Network {
  const conf = parse(file.text)
  const single = !file.name.endsWith('.conflist')
  const plugins = single ? [conf] : pluginsOf(conf)
  for (const plugin of plugins) checkPlugin(plugin)
  const types = plugins.flatMap((plugin) => typeOf(plugin) ?? [])
  const others = types.filter((type) => type !== pluginType).map(decode)
  if (plugins.length > 0 && others.length === 0) throw notAList('it has no plugin but ours')
  const name = typeof conf['name'] === 'string' ? decode(conf['name']) : ''
  return { file, name, single, types: others, unchainable: whyUnchainable(conf, plugins.length) }
}

function pluginsOf(conf: JsonObject): unknown[] {
  if (typeof conf['name'] !== 'string') throw notAList('it has no `name`')
  const { cniVersion, cniVersions, plugins } = conf
  if (cniVersion !== undefined && typeof cniVersion !== 'string') {
    throw notAList('its `cniVersion` is not a string')
  }
  if (cniVersions !== undefined && !isStrings(cniVersions)) {
    throw notAList('its `cniVersions` is not a list of strings')
  }
  for (const key of ['disableCheck', 'disableGC', 'loadOnlyInlinedPlugins']) {
    if (!isSwitch(conf[key])) {
      throw notAList(`its \`${key}\` is neither true nor false`)
    }
  }
  // Since libcni 1.3 the plugins may be files in a directory with the network's name.
  if (plugins === undefined) return []
  if (!Array.isArray(plugins) || plugins.length === 0) throw notAList('it has no `plugins`')
  return plugins
}

/** Checks the fields that libcni decodes in every plugin. libcni refuses a file with a value of another type. */
function checkPlugin(plugin: unknown): asserts plugin is JsonObject {
  if (!isObject(plugin)) throw notAList('an element of `plugins` is not an object')
  if (typeOf(plugin) === undefined) throw notAList('a plugin has no `type`')
  const { ipam, dns, capabilities, cniVersion, name } = plugin
  const object = (value: unknown, check: (value: JsonObject) => boolean): boolean =>
    isAbsent(value) || (isObject(value) && check(value))
  const fits =
    isText(cniVersion) &&
    isText(name) &&
    object(ipam, ({ type }) => isText(type)) &&
    object(capabilities, (all) => Object.values(all).every((one) => typeof one === 'boolean')) &&
    object(
      dns,
      ({ domain, nameservers, search, options }) =>
        isText(domain) && [nameservers, search, options].every((o) => isAbsent(o) || isStrings(o)),
    )
  if (!fits) throw notAList(`the values of its plugin \`${typeOf(plugin)}\` are of the wrong kind`)
}

function whyUnchainable(conf: JsonObject, pluginCount: number): string | undefined {
  const { cniVersion, cniVersions, name } = conf
  // CRI-O names a single plugin without a name after its file. It refuses a list without a name.
  if (isAbsent(name) || name === '') return 'it has no `name`, which a list needs'
  if (pluginCount === 0) return 'its plugins are files in a directory of their own'
  const offered = isStrings(cniVersions) ? cniVersions : []
  const named = typeof cniVersion === 'string' ? [cniVersion] : []
  const first = named.length + offered.length > 0 ? named : ['none']
  // CRI-O asks each plugin whether it supports the version, and drops the network if one does not.
  const foreign = [...first, ...offered].find((version) => !spoken.includes(version))
  if (foreign === undefined) return undefined
  return `its \`cniVersion\` is ${foreign === '' ? 'none' : foreign}, and plugins can be chained from 0.3.0 to 1.1.0`
}

/** libcni also accepts the words as strings. */
const isSwitch = (value: unknown): boolean =>
  value === undefined ||
  typeof value === 'boolean' ||
  (typeof value === 'string' && /^(?:true|false)$/i.test(value))

const isAbsent = (value: unknown): value is null | undefined =>
  value === null || value === undefined
const isText = (value: unknown): boolean => isAbsent(value) || typeof value === 'string'

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}

/** Decodes a name to the file system's form. */
function decode(text: string): string {
  return Buffer.from(text, 'latin1').toString()
}
