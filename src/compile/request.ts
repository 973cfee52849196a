import { MeshaccelError } from '../lib/errors.ts'
import type { CompileRequest, File, Source } from './wire.ts'

export const machines = ['x86_64', 'aarch64'] as const
export type Machine = (typeof machines)[number]

/** The objects of meshaccel that the service builds. */
export const objectNames = ['meshaccel', 'measure'] as const
export type ObjectName = (typeof objectNames)[number]

/** A request that was checked. */
export interface Job {
  readonly input:
    { readonly object: ObjectName } | { readonly file: File; readonly headers: readonly File[] }
  readonly machine: Machine
  readonly release: string | undefined
  readonly btf: Uint8Array | undefined
}

const sourceLimit = 4 << 20
const headersLimit = 64
/** The first letter is none that an option or a hidden file begins with. */
const sourceName = /^\w[\w.-]{0,99}\.c$/
const headerName = /^\w[\w.-]{0,99}\.h$/
const releaseName = /^\w[\w.+~-]{0,99}$/

/** Throws BAD_REQUEST for an invalid request. Names become paths, so only plain names pass. */
export function checkRequest(request: CompileRequest, ownMachine: Machine): Job {
  const { machine, release, btf } = request.target ?? {}
  return {
    input: inputOf(request),
    machine: oneOf('machine', machine || ownMachine, machines),
    release: release ? matching('release', release, releaseName) : undefined,
    btf: btf && btf.length > 0 ? btf : undefined,
  }
}

function inputOf({ source, object }: CompileRequest): Job['input'] {
  if (source) return sourceOf(source)
  if (object) return { object: oneOf('object', object, objectNames) }
  throw badRequest('it has neither a source nor the name of an object')
}

function sourceOf({ file, headers = [] }: Source): Job['input'] {
  if (!file) throw badRequest('the source has no file')
  matching('file', file.name, sourceName)
  for (const { name } of headers) matching('header', name, headerName)
  if (new Set(headers.map(({ name }) => name)).size < headers.length) {
    throw badRequest('two headers have the same name')
  }
  if (headers.length > headersLimit) throw badRequest(`more than ${headersLimit} headers`)
  const bytes = [file, ...headers].reduce((sum, { content }) => sum + content.length, 0)
  if (bytes > sourceLimit) throw badRequest(`the source has more than ${sourceLimit} bytes`)
  return { file, headers }
}

function matching(what: string, text: string, pattern: RegExp): string {
  if (pattern.test(text)) return text
  throw badRequest(`the ${what} has the name ${JSON.stringify(text.slice(0, 120))}`, pattern)
}

function oneOf<Name extends string>(what: string, text: string, names: readonly Name[]): Name {
  const found = names.find((name) => name === text)
  if (found !== undefined) return found
  const hint = `The ${what} is one of ${names.join(', ')}.`
  throw badRequest(`unknown ${what} ${JSON.stringify(text.slice(0, 120))}`, hint)
}

function badRequest(reason: string, hint?: string | RegExp): MeshaccelError {
  return new MeshaccelError(reason, {
    code: 'BAD_REQUEST',
    operation: 'read the request',
    hint: hint instanceof RegExp ? `A name looks like ${hint.source}.` : hint,
  })
}
