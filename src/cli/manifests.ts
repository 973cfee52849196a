import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CommandModule } from 'yargs'
import { packageRoot } from '../package.ts'
import { environmentOf } from './environment.ts'
import { withHelp } from './help.ts'

const command: CommandModule = {
  command: 'manifests',
  describe: 'Print the Kubernetes manifests: what the Helm chart renders by default',
  builder: (yargs) =>
    withHelp(yargs, {
      usage: 'manifests',
      about:
        'Prints the Kubernetes manifests: what the Helm chart in deploy/helm renders by default.',
      examples: [['manifests | kubectl apply -f -', 'install it']],
    }),
  handler: (args) => {
    // scripts/render-manifests.sh makes it of the chart.
    const text = readFileSync(join(packageRoot, 'deploy/manifests.yaml'), 'utf8')
    environmentOf(args).stdout.write(text)
  },
}

export default command
