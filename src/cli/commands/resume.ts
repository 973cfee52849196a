import type { CommandModule } from 'yargs'
import { ControlClient } from '../../api/client.ts'
import { environmentOf } from '../environment.ts'
import { withHelp } from '../help.ts'
import { socketOption } from '../options.ts'

const command: CommandModule<object, { socket: string }> = {
  command: 'resume',
  describe: 'Start redirecting again after a drain',
  builder: (yargs) =>
    withHelp(yargs.option('socket', socketOption), {
      usage: 'resume',
      about:
        'Starts redirecting again after `meshaccel drain`. Connections join once their readers are proven.',
      examples: [['resume', 'idempotent, like all verbs']],
    }),
  handler: async (args) => {
    const { stderr } = environmentOf(args)
    using client = await ControlClient.connect(args.socket)
    const { already } = await client.call('Resume', {})
    stderr.write(already ? 'already redirecting\n' : 'redirecting again\n')
  },
}

export default command
