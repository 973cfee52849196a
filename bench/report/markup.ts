/** A piece of HTML or SVG: what is in it is markup already. */
export class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** What a template may hold; all but Markup is text, and is escaped. */
export type Content = Markup | string | number | undefined | readonly Content[]

/** A template in which nothing becomes markup that was not written here. Lists are joined, undefined is nothing. */
export function markup(strings: TemplateStringsArray, ...values: readonly Content[]): Markup {
  return new Markup(String.raw({ raw: strings }, ...values.map(textOf)))
}

function textOf(content: Content): string {
  if (content === undefined) return ''
  if (content instanceof Markup) return content.text
  if (typeof content === 'number') return String(content)
  if (typeof content === 'string') return escape(content)
  return content.map(textOf).join('')
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

const escape = (text: string): string => text.replaceAll(/[&<>"']/g, (char) => entities[char] ?? '')
