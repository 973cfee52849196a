/** Control characters, and those that turn the direction of writing: names and programs come from whoever runs a pod. */
// oxlint-disable-next-line no-control-regex
const harmful = /[\u0000-\u001F\u007F-\u009F\u200E\u200F\u2028-\u202E\u2066-\u2069]/g

/** The text as a terminal can show it without obeying it. */
export function plain(text: string): string {
  return text.replace(harmful, '\uFFFD')
}

/** Cut short to the width, with an ellipsis. */
export function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`
}

/** Broken between words at the width; further lines begin with `indent`. A word that is longer stays whole. */
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
