import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CommandModule } from 'yargs'
import { packageRoot } from '../../lib/package.ts'
import { environmentOf } from '../environment.ts'
import { withHelp } from '../help.ts'

interface Args {
  readonly cleanup: boolean
}

const command: CommandModule<object, Args> = {
  command: 'manifests',
  describe: 'Print the Kubernetes manifests: what the Helm chart renders by default',
  builder: (yargs) =>
    withHelp(
      yargs.options({
        cleanup: {
          type: 'boolean',
          default: false,
          describe:
            'Print the manifests that remove everything from the nodes, after the others are deleted',
        },
      }),
      {
        usage: 'manifests',
        about:
          'Prints the Kubernetes manifests: what the Helm chart in deploy/helm renders by default.',
        examples: [
          ['manifests | kubectl apply -f -', 'install it'],
          ['manifests --cleanup', 'to remove it: its first lines say how'],
        ],
      },
    ),
  handler: (args) => {
    // scripts/render-manifests.sh makes both of the chart.
    const file = args.cleanup ? 'deploy/cleanup.yaml' : 'deploy/manifests.yaml'
    environmentOf(args).stdout.write(readFileSync(join(packageRoot, file), 'utf8'))
  },
}

export default command
