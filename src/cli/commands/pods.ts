import type { CommandModule } from 'yargs'
import type { PodView } from '../../api/views.ts'
import type { CliEnvironment } from '../environment.ts'
import { withHelp } from '../help.ts'
import { type ShowArgs, showOptions } from '../options.ts'
import { formatBytes } from '../output/print.ts'
import { renderTable, type Column } from '../output/table.ts'
import { show } from '../output/show.ts'

const columns: readonly Column[] = [
  { title: 'POD', flexible: true },
  { title: 'MESH', spare: 2 },
  { title: 'ENROLLED', flexible: true },
  { title: 'ENGAGED', right: true },
  { title: 'PLAIN', right: true, spare: 1 },
  { title: 'REDIRECTED', right: true, spare: 3 },
  { title: 'IPS', flexible: true, spare: 4 },
]

const command: CommandModule<object, ShowArgs> = {
  command: 'pods',
  describe: 'The pods the agent sees: enrolled, or why not',
  builder: (yargs) =>
    withHelp(yargs.options(showOptions), {
      usage: 'pods',
      about:
        'Lists the pods of this node: whether they are enrolled or why not, who holds them on TCP, how many of their live connections are ' +
        'engaged (redirected in at least one direction) or plain, and the bytes that these have sent or received by ' +
        'redirect.',
      examples: [
        ['pods', 'all of them'],
        ['pods --watch', 'again every two seconds'],
        ['explain NAMESPACE/NAME', 'one of them, in words'],
      ],
    }),
  handler: (args) => show(args, { ask: (client) => client.call('Pods', {}), table }),
}

export default command

function enrolment({ enrolled, reason, heldBy }: PodView): string {
  if (!enrolled) return `no: ${reason ?? 'unknown'}`
  return heldBy === undefined ? 'yes' : `yes, on TCP: ${heldBy}`
}

function table(
  { pods }: { readonly pods: readonly PodView[] },
  environment: CliEnvironment,
): string {
  if (pods.length === 0) return 'No pods.\n'
  const rows = pods.map((pod) => [
    `${pod.namespace}/${pod.name}`,
    pod.mesh ?? '-',
    enrolment(pod),
    String(pod.connections.engaged),
    String(pod.connections.plain),
    formatBytes(pod.redirectedBytes),
    pod.ips.join(' ') || '-',
  ])
  return renderTable(columns, rows, environment)
}
