/** A part of a text: `start` is inclusive, `end` exclusive. */
export interface Span {
  readonly start: number
  readonly end: number
}

export interface Member {
  readonly name: string
  readonly value: Span
}

/** Go's encoding/json refuses deeper nesting, and so does every container runtime. */
const maxDepth = 10_000

/**
 * The reason why container runtimes cannot read the text as an object; undefined if they can. A text holds one byte per
 * character. So bytes that are not UTF-8 survive, because Go reads them, too.
 */
export function whyNoObject(text: string): string | undefined {
  // Comes before the parser, which would hold a million levels in memory.
  if (depthOf(text) > maxDepth) return `it nests deeper than ${maxDepth} levels`
  try {
    const value: unknown = JSON.parse(text)
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject ? undefined : 'it is no JSON object'
  } catch {
    return 'it is not JSON'
  }
}

/** The members of an object in valid JSON, including repeated names. */
export function membersOf(text: string, object: Span): Member[] {
  return partsOf(text, object).map((part) => {
    const end = endOfString(text, part.start)
    const name: string = JSON.parse(text.slice(part.start, end))
    const colon = text.indexOf(':', end)
    return { name, value: { start: skipSpace(text, colon + 1), end: part.end } }
  })
}

/** The elements of an array in valid JSON. */
export function elementsOf(text: string, array: Span): Span[] {
  return partsOf(text, array)
}

/** The span of the whole value, without surrounding space. */
export function wholeOf(text: string): Span {
  return trimmed(text, 0, text.length)
}

/** The parts between the commas of an object or array. */
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

/** The position after the closing quote; the end of the text if there is none. */
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
