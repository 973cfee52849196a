import type { Child } from '../../helpers/child.ts'

/** Sends a command to a program and resolves to its answer. */
export function ask<Line extends { readonly event: string }>(
  child: Child<Line>,
  command: string,
): Promise<Line> {
  const [event = ''] = command.split(' ')
  child.write(`${command}\n`)
  return child.take(event)
}
