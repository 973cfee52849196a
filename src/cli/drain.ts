import type { CommandModule } from 'yargs'
import { kernelParts } from '../agent.ts'
import { environmentOf } from './environment.ts'
import { type DrainArgs, drainOptions, timeoutMsOf } from './options.ts'
import { connectIfRunning, inPlaceOfAgent } from './without-agent.ts'

const command: CommandModule<object, DrainArgs> = {
  command: 'drain',
  describe: 'Stop redirecting and wait until all connections are back on TCP; loses nothing',
  builder: drainOptions,
  handler: async (args) => {
    const environment = environmentOf(args)
    const timeoutMs = timeoutMsOf(args)
    using client = await connectIfRunning(environment, args.socket, 'drain')
    const already = client
      ? (await client.call('Drain', { timeoutMs })).already
      : await inPlaceOfAgent(args.socket, () => {
          const { drainDatapath } = environment.agentParts ?? kernelParts
          return drainDatapath(args.pin, timeoutMs)
        })
    environment.stderr.write(already ? 'already drained\n' : 'drained\n')
  },
}

export default command
