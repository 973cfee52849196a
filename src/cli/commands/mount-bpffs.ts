import type { CommandModule } from 'yargs'
import { mountBpffs } from '../../datapath/pins/bpffs.ts'
import { environmentOf } from '../environment.ts'
import { withHelp } from '../help.ts'
import { requireRoot } from '../require-root.ts'

interface Args {
  readonly directory: string
}

const command: CommandModule<object, Args> = {
  command: 'mount-bpffs <directory>',
  // For the chart's init container: everybody else has mount(8).
  describe: false,
  builder: (yargs) =>
    withHelp(yargs.positional('directory', { type: 'string', demandOption: true }), {
      usage: 'mount-bpffs DIRECTORY',
      about: 'Mounts bpffs at the directory, unless it is there already.',
      examples: [['mount-bpffs /sys/fs/bpf', 'where no init system does']],
    }),
  handler: (args) => {
    const environment = environmentOf(args)
    requireRoot(environment, 'mount bpffs')
    const mounted = mountBpffs(args.directory)
    environment.stderr.write(
      `bpffs is ${mounted ? 'mounted' : 'there already'} at ${args.directory}\n`,
    )
  },
}

export default command
