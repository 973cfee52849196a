import yargs from 'yargs'
import { messageOf } from '../errno.ts'
import { MeshaccelError } from '../errors.ts'
import { version } from '../package.ts'
import agent from './agent.ts'
import bench from './bench.ts'
import cleanup from './cleanup.ts'
import cni from './cni.ts'
import doctor from './doctor.ts'
import drain from './drain.ts'
import { completePods, completionFlag } from './completion.ts'
import type { CliEnvironment } from './environment.ts'
import explain from './explain.ts'
import flows from './flows.ts'
import manifests from './manifests.ts'
import mountBpffs from './mount-bpffs.ts'
import pods from './pods.ts'
import readers from './readers.ts'
import reasons from './reasons.ts'
import resume from './resume.ts'
import status from './status.ts'
import top from './top.ts'
import trace from './trace.ts'
import ui from './ui.ts'
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

/** Resolves to what yargs itself has to say: the help, the version. */
async function parse(environment: CliEnvironment): Promise<string> {
  const parser = yargs()
    .scriptName('meshaccel')
    .command(agent)
    .command(bench)
    .command(status)
    .command(pods)
    .command(flows)
    .command(top)
    .command(reasons)
    .command(readers)
    .command(explain)
    .command(trace)
    .command(ui)
    .command(doctor)
    .command(drain)
    .command(resume)
    .command(cleanup)
    .command(cni)
    .command(manifests)
    .command(mountBpffs)
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

/** What the shell asked for, if it did and yargs does not know. */
async function completion({ argv }: CliEnvironment): Promise<string | undefined> {
  const at = argv.indexOf(completionFlag)
  if (at < 0) return undefined
  const names = await completePods(argv.slice(at + 1))
  return names?.join('\n')
}

function describe(error: unknown): string {
  const hint =
    error instanceof UsageError
      ? '`meshaccel --help` lists the commands, `meshaccel COMMAND --help` what one takes.'
      : error instanceof MeshaccelError
        ? error.hint
        : undefined
  return `meshaccel: ${messageOf(error)}\n${hint === undefined ? '' : `  ${hint}\n`}`
}
