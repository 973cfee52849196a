/** A part of a text: the first character, and the one after the last. */
export interface Span {
  readonly start: number
  readonly end: number
}

export interface Member {
  readonly name: string
  readonly value: Span
}

/** Go's encoding/json reads no deeper, and so does no container runtime. */
const maxDepth = 10_000

/**
 * Why no container runtime can read the text as an object; undefined when it can. A text holds one byte a character,
 * so that bytes that are no UTF-8 stay what they are: Go reads them, too.
 */
export function whyNoObject(text: string): string | undefined {
  // Before the parser, which would hold a million levels in memory.
  if (depthOf(text) > maxDepth) return `it nests deeper than ${maxDepth} levels`
  try {
    const value: unknown = JSON.parse(text)
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject ? undefined : 'it is no JSON object'
  } catch {
    return 'it is not JSON'
  }
}

/** The members of an object in a text that is JSON, repeated names included. */
export function membersOf(text: string, object: Span): Member[] {
  return partsOf(text, object).map((part) => {
    const end = endOfString(text, part.start)
    const name: string = JSON.parse(text.slice(part.start, end))
    const colon = text.indexOf(':', end)
    return { name, value: { start: skipSpace(text, colon + 1), end: part.end } }
  })
}

/** The elements of an array in a text that is JSON. */
export function elementsOf(text: string, array: Span): Span[] {
  return partsOf(text, array)
}

/** The value that the whole text is, without the space around it. */
export function wholeOf(text: string): Span {
  return trimmed(text, 0, text.length)
}

/** What stands between the commas of an object or array. */
function partsOf(text: string, { start, end }: Span): Span[] {
  const parts: Span[] = []
  let depth = 0
  let from = start + 1
  for (let at = from; at < end; at++) {
    const character = text[at]
    if (character === '"') {
      at = endOfString(text, at) - 1
    } else if (character === '{' || character === '[') {
      depth++
    } else if (depth > 0) {
      if (character === '}' || character === ']') depth--
    } else if (character === ',' || at === end - 1) {
      const part = trimmed(text, from, at)
      if (part.start < part.end) parts.push(part)
      from = at + 1
    }
  }
  return parts
}

function depthOf(text: string): number {
  let depth = 0
  let deepest = 0
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (character === '"') at = endOfString(text, at) - 1
    else if (character === '{' || character === '[') deepest = Math.max(deepest, ++depth)
    else if (character === '}' || character === ']') depth--
  }
  return deepest
}

/** After the quote that closes the string; the end of the text if none does. */
function endOfString(text: string, start: number): number {
  let at = start + 1
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return Math.min(at + 1, text.length)
}

const isSpace = (character: string | undefined): boolean =>
  character === ' ' || character === '\t' || character === '\n' || character === '\r'

function skipSpace(text: string, from: number): number {
  let at = from
  while (isSpace(text[at])) at++
  return at
}

function trimmed(text: string, from: number, to: number): Span {
  const start = Math.min(skipSpace(text, from), to)
  let end = to
  while (end > start && isSpace(text[end - 1])) end--
  return { start, end }
}
