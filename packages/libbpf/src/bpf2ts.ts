/** Writes TypeScript from the BTF of a BPF object: a codec and a type for each struct, names for enums, maps. */

import { LibbpfError } from './base-error.ts'
import { type FieldOptions, Fields } from './bpf2ts-fields.ts'
import { camelCase, codecName, enumNames, keyOf, pascalCase } from './bpf2ts-names.ts'
import { Btf } from './btf.ts'
import type { CType } from './c-type.ts'
import { mapDefinitions, type MapDefinition } from './map-definition.ts'

/** Without names of structs, enums and maps: all maps and global variables, and what they are made of. */
export interface Bpf2tsOptions extends FieldOptions {
  /** Structs that they are made of are written, too. */
  readonly structs?: readonly string[]
  readonly enums?: readonly string[]
  readonly maps?: readonly string[]
  /** How the module was written, for its first line. */
  readonly command?: string
}

/** The text of a module. The same object and options give the same text. */
export function bpf2ts(object: string, options: Bpf2tsOptions = {}): string {
  const { structs = [], enums = [], maps = [], command = `bpf2ts ${object}` } = options
  const module = new Module(Btf.fromFile(object), object, options)
  if (structs.length + enums.length + maps.length === 0) module.everything()
  for (const name of enums) module.enum(module.btf.find('enum', name))
  for (const name of structs) module.struct(module.btf.find('struct', name))
  for (const name of maps) module.map(name)
  return module.text(command)
}

class Module {
  readonly btf: Btf
  readonly #object: string
  readonly #fields: Fields
  readonly #imports = new Set<string>()
  readonly #maps: ReadonlyMap<string, MapDefinition>
  /** By the name of what C declares; first what others need. */
  readonly #declared = new Map<string, string>()
  readonly #exports = new Map<string, string>()
  #withEnums = false

  constructor(btf: Btf, object: string, options: FieldOptions) {
    this.btf = btf
    this.#object = object
    this.#fields = new Fields(btf, options, this.#imports, (kind, id) => {
      if (kind === 'struct') this.struct(id)
      else if (this.#withEnums) this.enum(id)
    })
    this.#maps = mapDefinitions(btf)
  }

  everything(): void {
    this.#withEnums = true
    for (const { section, type } of this.btf.globals()) {
      if (section !== '.maps' && section !== '.ksyms') this.#global(type)
    }
    for (const name of this.#maps.keys()) this.map(name)
  }

  struct(id: number): void {
    const type = this.btf.typeAt(id)
    if (type.kind === 'union') {
      throw new LibbpfError('a union has no codec of its own', {
        code: 'NO_CODEC',
        operation: `write union ${type.name}`,
        hint: 'Name the struct that it is part of: there it is bytes.',
      })
    }
    if (type.kind !== 'struct' || this.#declared.has(`struct ${type.name}`)) return
    const fields = this.#fields.of(type.name, type.members)
    const { codec } = this.#fields.layout(type.size, fields)
    const [name, record] = [codecName(type.name), `${pascalCase(type.name)}Record`]
    this.#imports.add('type StructCodec')
    const members = fields.map((field) => `  ${field.name}: ${field.written.type}\n`).join('')
    this.#declare(
      `struct ${type.name}`,
      [name, record],
      `/** struct ${type.name}, ${type.size} bytes */\n` +
        `export interface ${record} {\n${members}}\n` +
        `export const ${name}: StructCodec<${record}> = ${codec}\n`,
    )
  }

  enum(id: number): void {
    const type = this.btf.typeAt(id)
    if (type.kind !== 'enum' || this.#declared.has(`enum ${type.name}`)) return
    if (type.isCut) {
      throw new LibbpfError('the compiler has cut its constants to 32 bits', {
        code: 'CUT_ENUM',
        operation: `write enum ${type.name}`,
        hint: 'Build the object with clang 15 or newer.',
      })
    }
    const { prefix, values } = enumNames(type.name, type.constants)
    const isDense = values.every(([, value], index) => value === BigInt(index))
    const [name, union] = [
      camelCase(type.name) + (isDense ? 'Names' : 'Values'),
      pascalCase(type.name),
    ]
    const without = prefix === '' ? '' : ` without ${prefix}`
    this.#declare(
      `enum ${type.name}`,
      [name, union],
      isDense
        ? `/** enum ${type.name}: its constants${without}, each at its value. */\n` +
            `export const ${name} = ${list(name, values)} as const\n` +
            `export type ${union} = (typeof ${name})[number]\n`
        : `/** enum ${type.name}: its constants${without}. */\n` +
            `export const ${name} = {\n${values.map(([key, value]) => `  ${keyOf(key)}: ${value}${type.size > 4 ? 'n' : ''},\n`).join('')}} as const\n` +
            `export type ${union} = keyof typeof ${name}\n`,
    )
  }

  map(name: string): void {
    const definition = this.#maps.get(name)
    if (definition === undefined) {
      throw new LibbpfError('there is no such map', {
        code: 'NO_SUCH_MAP',
        operation: `find map ${name} in ${this.#object}`,
        hint: `It has ${[...this.#maps.keys()].join(', ') || 'none'}.`,
      })
    }
    if (this.#declared.has(`map ${name}`)) return
    const { type, maxEntries } = definition
    const constant = `${camelCase(name)}Map`
    const facts = `  name: '${name}',\n  type: '${type}',\n  maxEntries: ${maxEntries},\n`
    const [key, value] = [
      this.#side(name, definition, 'key'),
      this.#side(name, definition, 'value'),
    ]
    if (key === undefined || value === undefined) {
      const lacks = key === undefined ? 'keys' : 'values'
      const text = `/** A map without ${lacks}. */\nexport const ${constant} = {\n${facts}} as const\n`
      this.#declare(`map ${name}`, [constant], text)
      return
    }
    this.#imports.add('describeMap').add('type DescribedMap')
    this.#declare(
      `map ${name}`,
      [constant],
      `export const ${constant}: DescribedMap<${key.type}, ${value.type}> = describeMap({\n` +
        `${facts}  key: ${key.codec},\n  value: ${value.codec},\n})\n`,
    )
  }

  text(command: string): string {
    const unused = this.#fields.unused()
    if (unused.length > 0) {
      throw new LibbpfError(`no field that is written is called ${unused.join(', ')}`, {
        code: 'NO_SUCH_FIELD',
        operation: `read ${this.#object}`,
        hint: 'Name it as C does: FIELD, or STRUCT.FIELD.',
      })
    }
    if (this.#declared.size === 0) {
      throw new LibbpfError('it has no map, and no global variable of a struct or an enum', {
        code: 'NO_SUCH_TYPE',
        operation: `read ${this.#object}`,
        hint: 'Name the structs and enums to write: --struct NAME, --enum NAME.',
      })
    }
    const head =
      `// Generated from BTF, by\n${wrapped(command)}` +
      '// Do not edit it: change the C source, build the object and run the command again.\n'
    return [head, ...importLines(this.#imports), ...this.#declared.values()].join('\n')
  }

  #side(map: string, { key, value }: MapDefinition, field: 'key' | 'value') {
    const side = field === 'key' ? key : value
    if (side === undefined) return undefined
    if ('type' in side) return this.#fields.write(side.type, { struct: map, field })
    this.#imports.add('bytes')
    return { codec: `bytes(${side.bytes})`, type: 'Uint8Array' }
  }

  #global(id: number): void {
    const type: CType = this.btf.typeAt(id)
    if (type.kind === 'typedef') this.#global(type.of)
    else if (type.kind === 'array') this.#global(type.element)
    else if (type.kind === 'struct' && type.name !== '') this.struct(id)
    else if (type.kind === 'enum' && type.name !== '') this.enum(id)
  }

  #declare(what: string, names: readonly string[], text: string): void {
    for (const name of names) {
      const other = this.#exports.get(name)
      if (other !== undefined) {
        throw new LibbpfError(`${name} stands for ${other} already`, {
          code: 'NAME_CLASH',
          operation: `write ${what}`,
          hint: 'Write them into two modules: name what each is to hold.',
        })
      }
      this.#exports.set(name, what)
    }
    this.#declared.set(what, text)
  }
}

/** A long command as a comment of several lines. */
function wrapped(command: string): string {
  const lines = ['']
  for (const word of command.split(' ')) {
    const line = lines.at(-1) ?? ''
    if (line.length + word.length > 90) lines.push(word)
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`
  }
  return lines.map((line, at) => `//     ${at === 0 ? '' : '  '}${line}\n`).join('')
}

/** On one line where there is room for it. */
function list(name: string, values: readonly (readonly [name: string, value: bigint])[]): string {
  const quoted = values.map(([value]) => `'${value}'`)
  const line = `[${quoted.join(', ')}]`
  const width = `export const ${name} = ${line} as const`.length
  return width <= 100 ? line : `[\n${quoted.map((value) => `  ${value},\n`).join('')}]`
}

const bare = (name: string): string => name.replace('type ', '').toLowerCase()

function importLines(imports: ReadonlySet<string>): string[] {
  if (imports.size === 0) return []
  const names = [...imports].toSorted((one, other) => (bare(one) < bare(other) ? -1 : 1))
  const line = `import { ${names.join(', ')} } from 'libbpf'\n`
  if (line.length <= 101) return [line]
  return [`import {\n${names.map((name) => `  ${name},\n`).join('')}} from 'libbpf'\n`]
}
