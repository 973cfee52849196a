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
  command: 'drain',
  describe: 'Stop redirecting and wait until all connections are back on TCP',
  builder: (yargs) =>
    withHelp(yargs.options(drainOptions), {
      usage: 'drain',
      about:
        'Stops redirecting on this node and waits until every connection is back on TCP. No connection is closed, no ' +
        'byte is lost. Redirecting stays off until `meshaccel resume`, also across restarts of the agent. Works without ' +
        'an agent.',
      examples: [
        ['drain', 'with the default timeout'],
        ['drain --timeout 120', 'when readers are slow'],
        ['drain --force', 'resets connections whose readers do not read at all'],
      ],
      exit: '0 drained, now or before; 1 some connections are still leaving; 2 invalid command line',
    }),
  handler: async (args) => {
    const environment = environmentOf(args)
    const request = { timeoutMs: timeoutMsOf(args), force: args.force }
    using client = await connectIfRunning(environment, args.socket, 'drain')
    if (!client) checkForRemoval(environment, args)
    const drained = client
      ? client.call('Drain', request).then(({ already }) => already)
      : inPlaceOfAgent(args.socket, () => {
          const { drainDatapath } = environment.agentParts ?? kernelParts
          return drainDatapath(args.pin, request)
        })
    const already = await whileWaiting(environment, LEAVING, drained, leaving(client, request))
    environment.stderr.write(already ? 'already drained\n' : 'drained\n')
  },
}

export default command
