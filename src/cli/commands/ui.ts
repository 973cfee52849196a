import { once } from 'node:events'
import type { CommandModule } from 'yargs'
import { environmentOf } from '../environment.ts'
import { socketOption } from '../options.ts'
import { SteadyClient } from '../steady-client.ts'
import { pageApi } from '../ui/page-data.ts'
import { PageServer } from '../ui/page-server.ts'
import { UsageError } from '../usage-error.ts'

const command: CommandModule<object, { socket: string; port: number }> = {
  command: 'ui',
  describe: 'A live page of this node for the browser, until Ctrl-C',
  builder: (yargs) =>
    yargs
      .options({
        socket: socketOption,
        port: {
          type: 'number',
          default: 0,
          describe: 'The loopback port to serve it at; 0 takes a free one',
          requiresArg: true,
        },
      })
      .example('$0 ui', 'prints the address of the page')
      .epilogue(
        'The page shows and changes nothing. It is served on loopback, at an address with a secret in it.\n\n' +
          'From another machine: ssh -L PORT:127.0.0.1:PORT NODE, then open the same address. In Kubernetes:\n' +
          '  kubectl -n meshaccel-system exec -it AGENT-POD -- meshaccel ui --port 7355\n' +
          '  kubectl -n meshaccel-system port-forward AGENT-POD 7355',
      ),
  handler: async ({ socket, port, ...args }) => {
    const environment = environmentOf(args)
    if (!Number.isInteger(port) || port < 0 || port > 65_535) {
      throw new UsageError('--port must be a port number')
    }
    const end = environment.endSignal()
    using agent = new SteadyClient(socket)
    // A user without the right to ask, or without an agent, gets the error here and not on the page.
    await agent.call('Status', {})
    const server = await PageServer.listen(port, pageApi(agent, environment.env))
    environment.stdout.write(`${server.url}\n`)
    environment.stderr.write(forwarding(server.port, environment.env))
    if (!end.aborted) await once(end, 'abort')
    await server.close()
  },
}

export default command

/** How to get there from elsewhere. */
function forwarding(port: number, env: Readonly<Record<string, string | undefined>>): string {
  const how =
    env['KUBERNETES_SERVICE_HOST'] === undefined
      ? `ssh -L ${port}:127.0.0.1:${port} NODE`
      : `kubectl -n meshaccel-system port-forward AGENT-POD ${port}`
  return `Open it in a browser; Ctrl-C ends it. From another machine first: ${how}\n`
}
