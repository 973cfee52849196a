/**
 * Control characters, and characters that change the writing direction. Any user who runs a pod chooses the names of
 * pods and programs.
 */
// oxlint-disable-next-line no-control-regex
const harmful = /[\u0000-\u001F\u007F-\u009F\u200E\u200F\u2028-\u202E\u2066-\u2069]/g

/** Replaces characters that a terminal would act upon. */
export function plain(text: string): string {
  return text.replace(harmful, '\uFFFD')
}

/** Cuts a text to the width, with an ellipsis. */
export function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`
}

/** Wraps a text at the width, between words. Further lines begin with `indent`. A longer word stays whole. */
export function fold(text: string, width: number, indent: string): string[] {
  const words = text.trimStart()
  const lines: string[] = []
  let line = text.slice(0, text.length - words.length)
  let begun = false
  for (const word of words.split(' ')) {
    const longer = begun ? `${line} ${word}` : line + word
    if (begun && longer.length > width) {
      lines.push(line)
      line = indent + word
    } else {
      line = longer
    }
    begun = true
  }
  return [...lines, line]
}
