import yargs, { type Argv } from 'yargs'
import { messageOf } from '../lib/errno.ts'
import { isExplained } from '../lib/errors.ts'
import { version } from '../lib/package.ts'
import type { CliEnvironment } from './environment.ts'
import { UsageError } from './usage-error.ts'

/** Runs one command line and resolves to its exit code: 0 done, 1 failed, 2 usage. Never throws. */
export async function runCli(environment: CliEnvironment): Promise<number> {
  try {
    const said = (await completion(environment)) ?? (await parse(environment))
    if (said) environment.stdout.write(`${said}\n`)
    return environment.exitCode
  } catch (error) {
    environment.stderr.write(describe(error))
    return error instanceof UsageError ? 2 : 1
  }
}

/** In the order in which the help lists them. A command line that begins with one of them loads no other. */
const commands: Readonly<Record<string, (parser: Argv) => Promise<unknown>>> = {
  agent: async (parser) => parser.command((await import('./commands/agent.ts')).default),
  bench: async (parser) => parser.command((await import('./commands/bench.ts')).default),
  status: async (parser) => parser.command((await import('./commands/status.ts')).default),
  pods: async (parser) => parser.command((await import('./commands/pods.ts')).default),
  flows: async (parser) => parser.command((await import('./commands/flows.ts')).default),
  top: async (parser) => parser.command((await import('./commands/top.ts')).default),
  reasons: async (parser) => parser.command((await import('./commands/reasons.ts')).default),
  readers: async (parser) => parser.command((await import('./commands/readers.ts')).default),
  explain: async (parser) => parser.command((await import('./commands/explain.ts')).default),
  trace: async (parser) => parser.command((await import('./commands/trace.ts')).default),
  ui: async (parser) => parser.command((await import('./commands/ui.ts')).default),
  doctor: async (parser) => parser.command((await import('./commands/doctor.ts')).default),
  drain: async (parser) => parser.command((await import('./commands/drain.ts')).default),
  resume: async (parser) => parser.command((await import('./commands/resume.ts')).default),
  cleanup: async (parser) => parser.command((await import('./commands/cleanup.ts')).default),
  cni: async (parser) => parser.command((await import('./commands/cni.ts')).default),
  manifests: async (parser) => parser.command((await import('./commands/manifests.ts')).default),
  'mount-bpffs': async (parser) =>
    parser.command((await import('./commands/mount-bpffs.ts')).default),
}

/** The commands that the help lists. */
export const commandNames: readonly string[] = Object.keys(commands).filter(
  (name) => name !== 'mount-bpffs',
)

/** Resolves to what yargs itself has to say: the help, the version. */
async function parse(environment: CliEnvironment): Promise<string> {
  const parser = yargs().scriptName('meshaccel')
  const [name = ''] = environment.argv
  const one = Object.hasOwn(commands, name) ? commands[name] : undefined
  for (const add of one ? [one] : Object.values(commands)) await add(parser)
  parser
    .completion('completion', 'Print the script that completes commands in bash or zsh')
    .usage(
      '$0 <command>\n\nMakes service-mesh sidecars cheap: same-node connections skip the stack.',
    )
    .example([
      ['$0 doctor', 'can this kernel do it?'],
      ['$0 status', 'does it do anything?'],
      ['$0 explain shop/cart-0', 'why is this pod fast or slow?'],
      ['$0 top', 'who moves how much, live'],
    ])
    .epilogue(
      'Exit codes: 0 done, 1 failed, 2 the command line cannot be meant.\n\n' +
        'Completion: `source <(SHELL=bash meshaccel completion)` in ~/.bashrc, `source <(SHELL=zsh meshaccel completion)` ' +
        'after compinit in ~/.zshrc.',
    )
    .version(version)
    .parserConfiguration({ 'duplicate-arguments-array': false })
    .alias('help', 'h')
    .recommendCommands()
    .wrap(Math.min(environment.stdout.columns ?? 100, 100))
    .strict()
    .demandCommand(1, 'Name a command.')
    .strictCommands()
    .exitProcess(false)
    .fail((message: string | null, error: Error | undefined) => {
      // Yargs throws YErrors for what is wrong with the command line; all else comes from a command.
      if (error && error.name !== 'YError') throw error
      throw new UsageError(message ?? error?.message ?? 'usage')
    })
  let said = ''
  await parser.parseAsync([...environment.argv], { environment }, (_error, _argv, output) => {
    said = output
  })
  return said
}

/** How yargs' completion scripts ask: what follows are the words of the line, the program's name first. */
const completionFlag = '--get-yargs-completions'

/** What the shell asked for, if it did and yargs does not know. */
async function completion({ argv }: CliEnvironment): Promise<string | undefined> {
  const at = argv.indexOf(completionFlag)
  if (at < 0) return undefined
  const { completePods } = await import('./completion.ts')
  const names = await completePods(argv.slice(at + 1))
  return names?.join('\n')
}

function describe(error: unknown): string {
  const hint =
    error instanceof UsageError
      ? '`meshaccel --help` lists the commands, `meshaccel COMMAND --help` what one takes.'
      : isExplained(error)
        ? error.hint
        : undefined
  return `meshaccel: ${messageOf(error)}\n${hint === undefined ? '' : `  ${hint}\n`}`
}
