/**
 * Catches libbpf's messages and keeps them for the next error. They are never printed. libbpf has one print function for
 * the whole process, so the thread that loads this module last gets the messages.
 */
import * as ffi from './ffi.ts'

/** Warnings of one failed operation; a failed load of a big program can say megabytes. */
const MAX_CHARACTERS = 8 << 20
const MAX_MESSAGES = 256
const LIBBPF_DEBUG = 2

/**
 * How many bytes a va_list is where it arrives as a pointer (an array type, or an aggregate passed by reference), so
 * that it can be copied and read twice. Elsewhere nothing is caught, and libbpf prints to stderr as it does on its own.
 */
const VA_LIST_BYTES: Readonly<Partial<Record<NodeJS.Architecture, number>>> = { x64: 24, arm64: 32 }

let messages: string[] = []
let characters = 0
let capturing = false

const scratch = Buffer.alloc(4096)

function format(template: string, vaList: ffi.Ptr<'va_list'>, vaListBytes: number): string {
  const copy = Buffer.alloc(vaListBytes)
  ffi.copyFrom(copy, vaList, vaListBytes)
  const length = ffi.vsnprintf(scratch, scratch.length, template, copy)
  if (length < scratch.length) return scratch.toString('utf8', 0, Math.max(length, 0))
  const large = Buffer.alloc(length + 1)
  ffi.vsnprintf(large, large.length, template, vaList)
  return large.toString('utf8', 0, length)
}

function keep(message: string): void {
  messages.push(message)
  characters += message.length
  while (messages.length > 1 && (characters > MAX_CHARACTERS || messages.length > MAX_MESSAGES)) {
    characters -= messages.shift()?.length ?? 0
  }
}

/** Forgets what earlier operations said; catches libbpf's messages from the first call on. */
export function startLog(): void {
  messages = []
  characters = 0
  if (capturing) return
  capturing = true
  const vaListBytes = VA_LIST_BYTES[process.arch]
  if (vaListBytes === undefined) return
  ffi.libbpf_set_print(
    ffi.registerPrint((level, template, vaList) => {
      if (level < LIBBPF_DEBUG) keep(format(template, vaList, vaListBytes))
      return 0
    }),
  )
}

/** libbpf's messages since `startLog`. */
export function takeLog(): string {
  const text = messages.join('').trimEnd()
  messages = []
  characters = 0
  return text
}
