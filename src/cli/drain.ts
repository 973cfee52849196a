import type { CommandModule } from 'yargs'
import { kernelParts } from '../agent.ts'
import { defaults } from '../config.ts'
import { cgroup2Directory } from '../datapath/cgroup.ts'
import { createLog } from '../log.ts'
import { environmentOf } from './environment.ts'
import { cgroupOption, pinOption, socketOption, timeoutMsOf, timeoutOption } from './options.ts'
import { connectIfRunning, hasPins, inPlaceOfAgent } from './without-agent.ts'

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
    cgroup: cgroupOption,
  },
  handler: async (args) => {
    const environment = environmentOf(args)
    const timeoutMs = timeoutMsOf(args)
    using client = await connectIfRunning(environment, args.socket, 'drain')
    const already = client
      ? (await client.call('Drain', { timeoutMs })).already
      : await inPlaceOfAgent(args.socket, () => drainPins(args, timeoutMs))
    environment.stderr.write(already ? 'already drained\n' : 'drained\n')

    async function drainPins({ pin, cgroup }: Args, limitMs: number): Promise<boolean> {
      if (!hasPins(pin)) return true
      const { openDatapath } = environment.agentParts ?? kernelParts
      const datapath = await openDatapath(
        {
          cgroupPath: cgroup2Directory(cgroup),
          pinDir: pin,
          capBytes: defaults.capBytes,
          policy: 'auto',
        },
        createLog('warn', environment.stderr),
      )
      try {
        const before = !datapath.redirecting && datapath.connections().joined === 0
        await datapath.drain(limitMs)
        return before
      } finally {
        datapath.close()
      }
    }
  },
}

export default command
