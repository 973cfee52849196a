import type { CommandModule } from 'yargs'
import { kernelParts } from '../agent.ts'
import { environmentOf } from './environment.ts'
import { cgroupOption, pinOption, socketOption, timeoutMsOf, timeoutOption } from './options.ts'
import { connectIfRunning, inPlaceOfAgent } from './without-agent.ts'

interface Args {
  readonly socket: string
  readonly pin: string
  readonly cgroup: string | undefined
  readonly timeout: number
}

const command: CommandModule<object, Args> = {
  command: 'cleanup',
  describe: 'Drain, then remove everything of meshaccel from the kernel; a running agent ends',
  builder: {
    socket: socketOption,
    timeout: timeoutOption,
    pin: { ...pinOption, describe: 'Where the pins are when no agent answers' },
    cgroup: { ...cgroupOption, describe: 'Accepted; the pins know their cgroup' },
  },
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
