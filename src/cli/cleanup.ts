import type { CommandModule } from 'yargs'
import { kernelParts } from '../agent.ts'
import { environmentOf } from './environment.ts'
import { type DrainArgs, drainOptions, timeoutMsOf } from './options.ts'
import { connectIfRunning, inPlaceOfAgent } from './without-agent.ts'

const command: CommandModule<object, DrainArgs> = {
  command: 'cleanup',
  describe: 'Drain, then remove everything of meshaccel from the kernel; a running agent ends',
  builder: drainOptions,
  handler: async (args) => {
    const environment = environmentOf(args)
    const timeoutMs = timeoutMsOf(args)
    using client = await connectIfRunning(environment, args.socket, 'clean up')
    if (client) {
      await client.call('Cleanup', { timeoutMs })
      environment.stderr.write('everything removed; the agent has ended\n')
      return
    }
    await inPlaceOfAgent(args.socket, () => {
      const { cleanupDatapath } = environment.agentParts ?? kernelParts
      return cleanupDatapath(args.pin, timeoutMs)
    })
    environment.stderr.write('nothing of meshaccel is left\n')
  },
}

export default command
