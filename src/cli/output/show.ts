import { setTimeout as pause } from 'node:timers/promises'
import type { ControlClient } from '../../api/client.ts'
import { messageOf } from '../../lib/errno.ts'
import { isExplained } from '../../lib/errors.ts'
import { environmentOf, type CliEnvironment } from '../environment.ts'
import { durationMs, type ShowArgs } from '../options.ts'
import { plain } from './plain-text.ts'
import { print, toJsonLine } from './print.ts'
import { Screen } from './screen.ts'
import { SteadyClient } from '../steady-client.ts'

/** The format of an answer. */
export interface AnswerFormat<Answer> {
  readonly table: (answer: Answer, environment: CliEnvironment) => string
  /** Gets each answer before it is shown. May set the exit code. */
  readonly seen?: (answer: Answer, environment: CliEnvironment) => void
}

/** A request to the agent, and the format of its answer. */
export interface View<Answer> extends AnswerFormat<Answer> {
  readonly ask: (client: ControlClient) => Promise<Answer>
}

/**
 * Shows a view once, or repeatedly until the user ends it. If no agent is there at first, the command fails. If the
 * agent stops later, the command waits for it.
 */
export async function show<Answer>(args: ShowArgs, view: View<Answer>): Promise<void> {
  using client = new SteadyClient(args.socket)
  await showAnswers(args, () => client.ask(view.ask), view)
}

/** The same for answers that do not come from the agent of this node. */
export async function showAnswers<Answer>(
  args: Pick<ShowArgs, 'output' | 'watch'>,
  ask: () => Promise<Answer>,
  view: AnswerFormat<Answer>,
): Promise<void> {
  const environment = environmentOf(args)
  const everyMs = args.watch === undefined ? undefined : intervalMs('--watch', args.watch)
  const first = await ask()
  view.seen?.(first, environment)
  if (everyMs === undefined) {
    print(environment, args.output, first, () => view.table(first, environment))
    return
  }
  const end = environment.endSignal()
  const isScreen = args.output === 'table' && environment.stdout.isTTY === true
  using display = isScreen ? redrawing(environment, everyMs) : printing(args.output, environment)
  display.show(() => textOf(first))
  while (await elapsed(everyMs, end)) {
    try {
      const answer = await ask()
      view.seen?.(answer, environment)
      display.show(() => textOf(answer))
    } catch (error) {
      display.fail(error)
    }
  }

  function textOf(answer: Answer): string {
    return args.output === 'json' ? toJsonLine(answer) : view.table(answer, environment)
  }
}

/** Waits. Resolves to false as soon as the user ends the command. */
export async function elapsed(ms: number, end: AbortSignal): Promise<boolean> {
  if (!end.aborted) await pause(ms, undefined, { signal: end }).catch(() => undefined)
  return !end.aborted
}

/** The milliseconds of an option that takes an interval; without a value two seconds. */
export function intervalMs(option: string, text: string): number {
  return durationMs(option, text === '' ? '2s' : text, { minMs: 100, maxMs: 86_400_000 })
}

interface Display extends Disposable {
  show(text: () => string): void
  fail(error: unknown): void
}

/** Prints one text after another. */
function printing(output: ShowArgs['output'], { stdout, stderr }: CliEnvironment): Display {
  let between = ''
  return {
    show: (text) => {
      stdout.write(between + text())
      if (output === 'table') between = '\n'
    },
    fail: (error) => void stderr.write(`meshaccel: ${messageOf(error)}\n`),
    [Symbol.dispose]: () => undefined,
  }
}

/** Redraws the terminal, at once if its size changes. */
function redrawing({ stdout, argv }: CliEnvironment, everyMs: number): Display {
  const screen = new Screen(stdout)
  const head = `every ${everyMs / 1000} s, Ctrl-C ends it: meshaccel ${plain(argv.join(' '))}`
  let shown: (() => string) | undefined
  const draw = (): void => {
    const lines = [head, '', ...(shown?.() ?? '').trimEnd().split('\n')]
    const over = lines.length - screen.rows
    const last = over > 0 ? [`and ${over + 1} lines more`] : []
    screen.draw([...lines.slice(0, screen.rows - last.length), ...last])
  }
  const redraw = (text: () => string): void => {
    shown = text
    draw()
  }
  stdout.on?.('resize', draw)
  return {
    show: redraw,
    fail: (error) => {
      const hint = isExplained(error) ? error.hint : undefined
      redraw(() => `${messageOf(error)}\n${hint ?? ''}`)
    },
    [Symbol.dispose]: () => {
      stdout.off?.('resize', draw)
      screen[Symbol.dispose]()
    },
  }
}
