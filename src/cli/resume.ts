import type { CommandModule } from 'yargs'
import { ControlClient } from '../api/client.ts'
import { environmentOf } from './environment.ts'
import { socketOption } from './options.ts'

const command: CommandModule<object, { socket: string }> = {
  command: 'resume',
  describe: 'Start redirecting again after a drain',
  builder: { socket: socketOption },
  handler: async (args) => {
    const { stderr } = environmentOf(args)
    using client = await ControlClient.connect(args.socket)
    const { already } = await client.call('Resume', {})
    stderr.write(already ? 'already redirecting\n' : 'redirecting again\n')
  },
}

export default command
