/** Cuts the kernel's types (`bpftool btf dump ... format c`) down to those that BPF programs use. Pure. */

interface Member {
  readonly text: string
  /** Its name; undefined for an anonymous struct or union, and for padding. */
  readonly name: string | undefined
  /** The members of a nested struct or union. */
  readonly head: string
  readonly members: readonly Member[] | undefined
  readonly tail: string
}

interface Definition {
  /** Such as `struct sock`, `enum pid_type` or, of a typedef, `__u32`. */
  readonly name: string
  readonly kind: 'record' | 'enum' | 'typedef' | 'declaration'
  readonly text: string
}

const identifier = /[A-Za-z_]\w*/g
const tagged = /\b(?:struct|union|enum) [A-Za-z_]\w*/g

const identifiers = (text: string): ReadonlySet<string> => new Set(text.match(identifier))

function withoutComments(source: string): string {
  return source.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*|"[^"\n]*"/g, ' ')
}

/** The definitions of a dump, in its order: each comes after those that it needs. */
function definitionsOf(dump: string): Definition[] {
  const begin = dump.indexOf('#pragma clang attribute push')
  const body = dump.slice(dump.indexOf('#endif', begin) + '#endif'.length)
  return body.split(/\n\n+/).flatMap((block): Definition[] => {
    const text = block.trim()
    const [, tag] = /^((?:struct|union|enum) \w+)(?: \{|;)/.exec(text) ?? []
    if (text.startsWith('enum') && text.includes('{')) {
      return [{ name: tag ?? '', kind: 'enum', text }]
    }
    if (tag !== undefined) {
      return [{ name: tag, kind: text.includes('{') ? 'record' : 'declaration', text }]
    }
    const typedef = /^typedef [\s\S]*?(?:\(\*(\w+)\)[\s\S]*|\b(\w+)(?:\[\d+\])*);$/.exec(text)
    const name = typedef?.[1] ?? typedef?.[2]
    return name === undefined ? [] : [{ name, kind: 'typedef', text }]
  })
}

/** The statements between braces, each with its own nested ones. */
function membersOf(body: string): Member[] {
  const members: Member[] = []
  let depth = 0
  let begin = 0
  for (let at = 0; at < body.length; at += 1) {
    if (body[at] === '{') depth += 1
    if (body[at] === '}') depth -= 1
    if (body[at] !== ';' || depth > 0) continue
    members.push(memberOf(body.slice(begin, at + 1).trim()))
    begin = at + 1
  }
  return members
}

function memberOf(text: string): Member {
  const open = text.indexOf('{')
  const close = text.lastIndexOf('}')
  const tail = open < 0 ? text : text.slice(close + 1)
  const [, callback] = /\(\*+(\w+)\)/.exec(tail) ?? []
  const [, plain] =
    /(\w+)(?:\[\d*\])*(?:\s*:\s*\d+)?(?:\s*__attribute__\(\(.*\)\))*;$/.exec(tail) ?? []
  const isPadding = /^[\w ]+:\s*\d+;$/.test(text) && !/\w+ \w+\s*:\s*\d+;$/.test(text)
  return {
    text,
    name: isPadding || tail.trim() === ';' ? undefined : (callback ?? plain),
    head: open < 0 ? '' : text.slice(0, open),
    members: open < 0 ? undefined : membersOf(text.slice(open + 1, close)),
    tail,
  }
}

/** The member with only those parts that are used; undefined if none is. */
function trimmed(member: Member, used: ReadonlySet<string>): string | undefined {
  const isNamed = member.name !== undefined && used.has(member.name)
  if (member.members === undefined) return isNamed ? member.text : undefined
  const inner = member.members.flatMap((each) => trimmed(each, used) ?? [])
  if (inner.length === 0) return isNamed ? member.text : undefined
  return `${member.head}{\n${inner.join('\n')}\n}${member.tail}`
}

function trimRecord(text: string, used: ReadonlySet<string>): string {
  const { head, members = [], tail } = memberOf(text)
  const kept = members.flatMap((each) => trimmed(each, used) ?? [])
  return `${head}{\n${kept.join('\n')}\n}${tail}`
}

function trimEnum(text: string, used: ReadonlySet<string>): string {
  const open = text.indexOf('{')
  const close = text.lastIndexOf('}')
  const all = text
    .slice(open + 1, close)
    .split(',')
    .map((each) => each.trim())
  const kept = all.filter((each) => used.has(each.split(' ')[0] ?? ''))
  const some = kept.length > 0 ? kept : all.slice(0, 1)
  return `${text.slice(0, open)}{\n${some.join(',\n')},\n}${text.slice(close + 1)}`
}

/** Records that programs hold themselves, whose size and places must be right before any relocation. */
function heldIn(source: string): ReadonlySet<string> {
  const held =
    /\b((?:struct|union) \w+)\s+\w+(?:\[\w+\])?\s*[;=,)]|sizeof\(((?:struct|union) \w+)\)/g
  return new Set([...source.matchAll(held)].map(([, variable, size]) => variable ?? size ?? ''))
}

/** A header with the types that `sources` use, out of a dump of all. `always` are types that no source names. */
export function reduce(
  dump: string,
  sources: readonly string[],
  always: readonly string[],
): string {
  const source = withoutComments(sources.join('\n'))
  const used = identifiers(source)
  const own = new Set(
    [...source.matchAll(/\b((?:struct|union|enum) \w+)\s*\{/g)].map(([, name = '']) => name),
  )
  const definitions = definitionsOf(dump).filter(({ name }) => !own.has(name))
  const byName = new Map(
    definitions.filter(({ name }) => name !== '').map((each) => [each.name, each]),
  )
  const texts = new Map<Definition, string>()
  const whole = new Set<string>()

  const take = (name: string, isWhole: boolean): void => {
    const definition = byName.get(name)
    if (!definition || (texts.has(definition) && (!isWhole || whole.has(name)))) return
    if (isWhole) whole.add(name)
    const { kind, text } = definition
    const kept = isWhole
      ? text
      : kind === 'record'
        ? trimRecord(text, used)
        : kind === 'enum'
          ? trimEnum(text, used)
          : text
    texts.set(definition, kept)
    const body = kept.includes('{') ? kept.slice(kept.indexOf('{')) : kept
    for (const other of body.match(tagged) ?? []) take(other, isWhole && isHeld(body, other))
    for (const other of identifiers(body)) {
      if (byName.get(other)?.kind === 'typedef') take(other, isWhole)
    }
  }

  for (const name of heldIn(source)) take(name, true)
  for (const name of source.match(tagged) ?? []) take(name, false)
  for (const name of [...used, ...always]) {
    if (byName.get(name)?.kind === 'typedef') take(name, false)
  }
  for (const definition of definitions.filter(({ kind }) => kind === 'enum')) {
    const { name, text } = definition
    if (texts.has(definition)) continue
    const members = identifiers(text.slice(text.indexOf('{')))
    if ([...members].some((each) => used.has(each))) texts.set(definition, trimEnum(text, used))
    if (name !== '' && texts.has(definition)) take(name, false)
  }
  return write(definitions, texts)
}

/** Whether a text holds a type itself, not only a pointer to it. */
function isHeld(text: string, name: string): boolean {
  return new RegExp(`\\b${name}\\s+\\w`).test(text)
}

const isEmpty = (text: string): boolean => /^(?:struct|union) \w+ \{\s*\};?$/.test(text)

function write(all: readonly Definition[], texts: ReadonlyMap<Definition, string>): string {
  const held = [...texts.values()].join('\n')
  const kept = all.flatMap((definition) => {
    const text = texts.get(definition)
    if (text === undefined || definition.kind === 'declaration') return []
    // A pointer to it needs no more than its name.
    return isEmpty(text) && !isHeld(held, definition.name) ? [] : [{ ...definition, text }]
  })
  const body = kept.map(({ text }) => text).join('\n\n')
  const names = new Set(body.match(/\b(?:struct|union) [A-Za-z_]\w*/g))
  return `${[...names]
    .toSorted()
    .map((name) => `${name};`)
    .join('\n')}\n\n${body}\n`
}
