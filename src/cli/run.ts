import yargs, { type CommandModule } from 'yargs'
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

type Add = <Args>(command: CommandModule<object, Args>) => void

/** In the order in which the help lists them. A command line that begins with one of them loads no other. */
const commands: Readonly<Record<string, (add: Add) => Promise<void>>> = {
  agent: async (add) => add((await import('./commands/agent.ts')).default),
  bench: async (add) => add((await import('./commands/bench.ts')).default),
  status: async (add) => add((await import('./commands/status.ts')).default),
  pods: async (add) => add((await import('./commands/pods.ts')).default),
  flows: async (add) => add((await import('./commands/flows.ts')).default),
  top: async (add) => add((await import('./commands/top.ts')).default),
  reasons: async (add) => add((await import('./commands/reasons.ts')).default),
  readers: async (add) => add((await import('./commands/readers.ts')).default),
  explain: async (add) => add((await import('./commands/explain.ts')).default),
  trace: async (add) => add((await import('./commands/trace.ts')).default),
  trial: async (add) => add((await import('./commands/trial.ts')).default),
  capture: async (add) => add((await import('./commands/capture.ts')).default),
  advise: async (add) => add((await import('./commands/advise.ts')).default),
  ui: async (add) => add((await import('./commands/ui.ts')).default),
  doctor: async (add) => add((await import('./commands/doctor.ts')).default),
  btf: async (add) => add((await import('./commands/btf.ts')).default),
  drain: async (add) => add((await import('./commands/drain.ts')).default),
  resume: async (add) => add((await import('./commands/resume.ts')).default),
  cleanup: async (add) => add((await import('./commands/cleanup.ts')).default),
  cni: async (add) => add((await import('./commands/cni.ts')).default),
  compile: async (add) => add((await import('./commands/compile.ts')).default),
  'compile-server': async (add) => add((await import('./commands/compile-server.ts')).default),
  manifests: async (add) => add((await import('./commands/manifests.ts')).default),
  'mount-bpffs': async (add) => add((await import('./commands/mount-bpffs.ts')).default),
}

/** The commands that the help lists. */
export const commandNames: readonly string[] = Object.keys(commands).filter(
  (name) => name !== 'mount-bpffs',
)

/** Runs the command. Resolves to the text of yargs itself: the help, the version. */
async function parse(environment: CliEnvironment): Promise<string> {
  const parser = yargs().scriptName('meshaccel')
  const [name = ''] = environment.argv
  const one = Object.hasOwn(commands, name) ? commands[name] : undefined
  const add: Add = (command) =>
    parser.command({
      ...command,
      handler: (args) => {
        throw new Chosen(async () => command.handler(args))
      },
    })
  for (const load of one ? [one] : Object.values(commands)) await load(add)
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
      'Exit codes: 0 done, 1 failed, 2 invalid command line.\n\n' +
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
      // Yargs throws YErrors for what is wrong with the command line; all other errors come from a command.
      if (error && error.name !== 'YError') throw error
      throw new UsageError(message ?? error?.message ?? 'usage')
    })
  let said = ''
  try {
    await parser.parseAsync([...environment.argv], { environment }, (_error, _argv, output) => {
      said = output
    })
  } catch (error) {
    if (!(error instanceof Chosen)) throw error
    await error.run()
  }
  return said
}

/** Leaves yargs for the command. After each handler yargs formats the whole help: a sixth of the time of `status`. */
class Chosen extends Error {
  readonly run: () => Promise<void>

  constructor(run: () => Promise<void>) {
    super('the command runs outside of yargs')
    this.run = run
  }
}

/** How yargs' completion scripts ask: what follows are the words of the line, the program's name first. */
const completionFlag = '--get-yargs-completions'

/** The completions that the shell asked for, if yargs does not know them. */
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
