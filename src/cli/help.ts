import type { Argv } from 'yargs'

/** The parts of `meshaccel COMMAND --help` besides the options. */
export interface Help {
  /** The command with its arguments, without `meshaccel`. */
  readonly usage: string
  /** The purpose of the command, in sentences. */
  readonly about: string
  /** Command lines without `meshaccel`, and what they are good for. */
  readonly examples: readonly (readonly [command: string, what: string])[]
  /** The meaning of the exit codes, where it is not the usual one. */
  readonly exit?: string
  /** Anything else, at the end. */
  readonly more?: string
}

const usualExit = '0 done, 1 failed, 2 invalid command line'

/** Adds the help to a command's options. */
export function withHelp<T>(yargs: Argv<T>, { usage, about, examples, exit, more }: Help): Argv<T> {
  const epilogue = [`Exit codes: ${exit ?? usualExit}.`, ...(more === undefined ? [] : [more])]
  return yargs
    .usage(`$0 ${usage}\n\n${about}`)
    .example(examples.map(([command, what]): [string, string] => [`$0 ${command}`, what]))
    .epilogue(epilogue.join('\n\n'))
}
