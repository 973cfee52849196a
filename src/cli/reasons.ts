import type { CommandModule } from 'yargs'
import { ControlClient } from '../api/client.ts'
import { environmentOf } from './environment.ts'
import { outputOption, socketOption } from './options.ts'
import { print } from './print.ts'
import { wordsOfTraffic } from './reason-words.ts'
import { renderTable } from './table.ts'

const command: CommandModule<object, { socket: string; output: 'table' | 'json' }> = {
  command: 'reasons',
  describe: 'How often each reason kept a send, a connection or an end from the fast path',
  builder: { socket: socketOption, output: outputOption },
  handler: async (args) => {
    const environment = environmentOf(args)
    using client = await ControlClient.connect(args.socket)
    const result = await client.call('Reasons', {})
    print(environment, args.output, result, () =>
      renderTable(
        [
          { title: 'REASON', flexible: true },
          { title: 'COUNT', right: true },
          { title: 'MEANING', flexible: true },
        ],
        Object.entries(result.reasons)
          .toSorted(([, one], [, other]) => (one === other ? 0 : one > other ? -1 : 1))
          .map(([reason, count]) => [reason, String(count), wordsOfTraffic(reason).means]),
        environment,
      ),
    )
  },
}

export default command
