import type { CommandModule } from 'yargs'
import { makeBtf } from '../../btf/make.ts'
import { defaults } from '../../lib/config.ts'
import { environmentOf } from '../environment.ts'
import { withHelp } from '../help.ts'
import { outputOption } from '../options.ts'
import { plain } from '../output/plain-text.ts'
import { formatBytes, print } from '../output/print.ts'

interface Args {
  readonly source: string | undefined
  readonly dir: string
  readonly release: string | undefined
  readonly objects: string | undefined
  readonly output: 'table' | 'json'
}

const command: CommandModule<object, Args> = {
  command: 'btf [source]',
  describe: "Make a small file of a kernel's types (BTF) for an agent",
  builder: (yargs) =>
    withHelp(
      yargs
        .positional('source', {
          type: 'string',
          describe:
            "A vmlinux, a vmlinuz, a kernel package (.deb, .rpm) or a BTF file [default: this machine's kernel]",
        })
        .options({
          dir: {
            type: 'string',
            default: defaults.btfDir,
            describe: 'The folder to write to',
            requiresArg: true,
          },
          release: {
            type: 'string',
            describe:
              "The kernel's release, as `uname -r` prints it [default: the one in the source]",
            requiresArg: true,
          },
          objects: {
            type: 'string',
            describe: "The directory of the BPF objects [default: this machine's]",
            requiresArg: true,
          },
          output: outputOption,
        }),
      {
        usage: 'btf [SOURCE]',
        about:
          "Makes a BTF file with the types of a kernel that meshaccel's programs use. It has some kilobytes, and a " +
          "kernel's own BTF has megabytes. The file is DIR/MACHINE/RELEASE.btf, such as " +
          'x86_64/6.12.95+deb12-cloud-amd64.btf. The agent takes it by --btf DIR. Needs bpftool. No root.',
        examples: [
          ['btf --dir btf', "from this machine's kernel"],
          ['btf linux-image-6.12.95+deb12-cloud-amd64.deb --dir btf', 'from a package'],
          ['btf 5.15.0-91-generic.btf --dir btf', 'from a file of BTFHub'],
        ],
        exit: '0 made, 1 no types in it or a tool is missing, 2 invalid command line',
        more:
          'A kernel without any types of its own (CONFIG_DEBUG_INFO_BTF=n) cannot run the programs, with or without ' +
          'such a file: docs/BTF.md.',
      },
    ),
  handler: (args) => {
    const environment = environmentOf(args)
    const { source, dir, release, objects, output } = args
    const made = makeBtf({ source, folder: dir, release, objects })
    print(environment, output, made, () => `${plain(made.path)}  ${formatBytes(made.bytes)}\n`)
  },
}

export default command
