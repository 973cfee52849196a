/** The types of fields that control.proto uses, apart from messages. */
export type Scalar = 'string' | 'bool' | 'uint32' | 'uint64' | 'double'

export interface Field {
  /** In camelCase. */
  readonly name: string
  readonly number: number
  /** Maps have strings for keys. An `optional` field may be absent; another scalar has its zero then. */
  readonly rule: 'single' | 'optional' | 'repeated' | 'map'
  readonly type: Scalar | Message
}

export interface Message {
  readonly name: string
  readonly fields: Field[]
}

export interface Method {
  readonly name: string
  readonly request: Message
  readonly response: Message
  readonly responseStream: boolean
}

export interface ProtoFile {
  readonly package: string
  readonly messages: ReadonlyMap<string, Message>
  /** By the name of their service. */
  readonly services: ReadonlyMap<string, readonly Method[]>
}

const scalars: ReadonlySet<string> = new Set<Scalar>([
  'string',
  'bool',
  'uint32',
  'uint64',
  'double',
])

/**
 * Reads the part of proto3 that control.proto uses: a statement a line, no nested messages, no enums, streams of
 * responses only. Throws at a line that is none of it. protobufjs knows all of proto3, and takes ten times as long to
 * load as a command that asks the agent does altogether.
 */
export function readProto(text: string): ProtoFile {
  const messages = new Map<string, Message>()
  const services = new Map<string, Method[]>()
  const message = (name: string): Message => {
    const known = messages.get(name) ?? { name, fields: [] }
    messages.set(name, known)
    return known
  }
  const defined = new Set<string>()
  let packageName = ''
  let inMessage: Message | undefined
  let inService: Method[] | undefined
  for (const [i, line] of text.split('\n').entries()) {
    const statement = line.trim()
    if (statement === '' || statement.startsWith('//') || statement === 'syntax = "proto3";')
      continue
    const field = inMessage && fieldOf(statement, message)
    const method = inService && methodOf(statement, message)
    const [, kind, name = '', end] =
      /^(package|message|service) ([\w.]+)(;| \{\}?)$/.exec(statement) ?? []
    if (field) {
      inMessage?.fields.push(field)
    } else if (method) {
      inService?.push(method)
    } else if (statement === '}') {
      inMessage = inService = undefined
    } else if (kind === 'package') {
      packageName = name
    } else if (kind === 'service') {
      services.set(name, (inService = []))
    } else if (kind === 'message') {
      defined.add(name)
      const begun = message(name)
      inMessage = end === ' {' ? begun : undefined
    } else throw new Error(`line ${i + 1} is not understood: ${statement}`)
  }
  for (const name of messages.keys()) {
    if (!defined.has(name)) throw new Error(`message ${name} is not defined`)
  }
  return { package: packageName, messages, services }
}

function fieldOf(statement: string, message: (name: string) => Message): Field | undefined {
  const match = /^(?:(optional|repeated) )?(?:map<string, (\w+)>|(\w+)) (\w+) = (\d+);$/.exec(
    statement,
  )
  if (!match) return undefined
  const [, rule, value, single, name = '', number] = match
  const type = value ?? single ?? ''
  // Numbers that repeat are packed, which the codec does not know.
  if (rule === 'repeated' && isScalar(type) && type !== 'string') return undefined
  return {
    name: name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
    number: Number(number),
    rule: value === undefined ? ruleOf(rule) : 'map',
    type: isScalar(type) ? type : message(type),
  }
}

function ruleOf(word: string | undefined): Field['rule'] {
  return word === 'optional' || word === 'repeated' ? word : 'single'
}

function methodOf(statement: string, message: (name: string) => Message): Method | undefined {
  const match = /^rpc (\w+)\((\w+)\) returns \((stream )?(\w+)\);$/.exec(statement)
  if (!match) return undefined
  const [, name = '', request = '', stream, response = ''] = match
  return {
    name,
    request: message(request),
    response: message(response),
    responseStream: stream !== undefined,
  }
}

function isScalar(type: string): type is Scalar {
  return scalars.has(type)
}
