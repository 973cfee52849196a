import { commandNames } from '../../src/cli/run.ts'
import { runCommand } from '../../test/helpers/cli-run.ts'
import type { GeneratedPage } from './generated-page.ts'

/** Resolves to the help of a command line, as a terminal of 100 columns shows it. */
async function helpOf(...argv: readonly string[]): Promise<string> {
  const { stdout } = await runCommand([...argv, '--help'], { terminalColumns: 100 })
  return stdout.trim()
}

/** The commands below a command, as the list before its options names them. The examples are not read. */
function subcommands(command: string, help: string): string[] {
  const listed = new RegExp(`^ +meshaccel ${command} (\\w[\\w-]*)`, 'gm')
  const [list = ''] = help.split('\nOptions:')
  return [...list.matchAll(listed)].map(([, name = '']) => name)
}

async function section(...words: string[]): Promise<string> {
  const help = await helpOf(...words)
  const [command = ''] = words
  const below = words.length === 1 ? subcommands(command, help) : []
  const parts = await Promise.all(below.map((name) => section(command, name)))
  const title = `${'#'.repeat(words.length + 1)} meshaccel ${words.join(' ')}`
  return [`${title}\n\n\`\`\`text\n${help}\n\`\`\``, ...parts].join('\n\n')
}

export const commands: GeneratedPage = {
  name: 'COMMANDS.md',
  render: async () => {
    const sections = await Promise.all(commandNames.map((name) => section(name)))
    return `# Commands

Each command prints this help with \`--help\`.

\`\`\`text
${await helpOf()}
\`\`\`

${sections.join('\n\n')}
`
  },
}
