import type { CommandModule } from 'yargs'
import { withHelp } from '../help.ts'
import { type ShowArgs, showOptions } from '../options.ts'
import { wordsOfTraffic } from '../output/words/reason.ts'
import { renderTable, type Column } from '../output/table.ts'
import { show } from '../output/show.ts'

const columns: readonly Column[] = [
  { title: 'REASON', flexible: true },
  { title: 'COUNT', right: true },
  { title: 'MEANING', flexible: true, spare: 1 },
]

const command: CommandModule<object, ShowArgs> = {
  command: 'reasons',
  describe: 'How often each reason kept something from the fast path',
  builder: (yargs) =>
    withHelp(yargs.options(showOptions), {
      usage: 'reasons',
      about:
        'Shows how often each reason kept a send, a connection or an end from the fast path, the most frequent first. ' +
        'Counting began when the data path was attached.',
      examples: [
        ['reasons', 'all of them, with what they mean'],
        ['reasons -o json --watch 10', 'a line of JSON every ten seconds'],
        ['flows --reason stream', 'the live connections of one reason'],
      ],
    }),
  handler: (args) =>
    show(args, {
      ask: (client) => client.call('Reasons', {}),
      table: ({ reasons }, environment) => {
        const rows = Object.entries(reasons)
          .toSorted(([, one], [, other]) => (one === other ? 0 : one > other ? -1 : 1))
          .map(([reason, count]) => [reason, String(count), wordsOfTraffic(reason).means])
        return renderTable(columns, rows, environment)
      },
    }),
}

export default command
