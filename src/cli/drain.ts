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
  command: 'drain',
  describe: 'Stop redirecting and wait until all connections are back on TCP; loses nothing',
  builder: {
    socket: socketOption,
    timeout: timeoutOption,
    pin: { ...pinOption, describe: 'Where the pins are when no agent answers' },
    cgroup: { ...cgroupOption, describe: 'Accepted; the pins know their cgroup' },
  },
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
