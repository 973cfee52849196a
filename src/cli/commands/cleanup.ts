import type { CommandModule } from 'yargs'
import { kernelParts } from '../../agent/start.ts'
import { checkForRemoval } from '../check-machine.ts'
import { environmentOf } from '../environment.ts'
import { withHelp } from '../help.ts'
import { type DrainArgs, drainOptions, timeoutMsOf } from '../options.ts'
import { LEAVING, leaving } from '../output/leaving.ts'
import { whileWaiting } from '../output/while-waiting.ts'
import { connectIfRunning, inPlaceOfAgent } from '../without-agent.ts'

const command: CommandModule<object, DrainArgs> = {
  command: 'cleanup',
  describe: 'Drain, then remove everything of meshaccel from the kernel',
  builder: (yargs) =>
    withHelp(yargs.options(drainOptions), {
      usage: 'cleanup',
      about:
        'Drains, then detaches and unpins everything of meshaccel. A running agent does this and ends. Without an agent ' +
        'the command does it. Connections whose readers do not read stay as they are, with the parts that they need. ' +
        'The command names them.',
      examples: [
        ['cleanup', 'uninstall from this node'],
        ['cleanup --force', 'the same, and reset connections whose readers do not read'],
      ],
      exit: '0 nothing is left, 1 something is, 2 invalid command line',
    }),
  handler: async (args) => {
    const environment = environmentOf(args)
    const request = { timeoutMs: timeoutMsOf(args), force: args.force }
    using client = await connectIfRunning(environment, args.socket, 'clean up')
    if (client) {
      const cleaned = client.call('Cleanup', request)
      await whileWaiting(environment, LEAVING, cleaned, leaving(client, request))
      environment.stderr.write('everything removed; the agent has ended\n')
      return
    }
    checkForRemoval(environment, args)
    const removed = inPlaceOfAgent(args.socket, () => {
      const { cleanupDatapath } = environment.agentParts ?? kernelParts
      return cleanupDatapath(args.pin, request)
    })
    await whileWaiting(environment, LEAVING, removed, leaving(undefined, request))
    environment.stderr.write('nothing of meshaccel is left\n')
  },
}

export default command
