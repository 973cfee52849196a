import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { CommandModule } from 'yargs'
import { CompileClient } from '../../compile/client.ts'
import { readIdentity } from '../../compile/tls.ts'
import type { CompileRequest, CompileResponse, File } from '../../compile/wire.ts'
import { messageOf } from '../../lib/errno.ts'
import { MeshaccelError } from '../../lib/errors.ts'
import { environmentOf } from '../environment.ts'
import { withHelp } from '../help.ts'
import { durationMs, identityOptions, type IdentityArgs, outputOption } from '../options.ts'
import { formatBytes, print } from '../output/print.ts'
import { plain } from '../output/plain-text.ts'
import { UsageError } from '../usage-error.ts'

interface Args extends IdentityArgs {
  readonly file: string | undefined
  readonly object: 'meshaccel' | 'measure' | undefined
  readonly header: string[]
  readonly server: string
  readonly machine: 'x86_64' | 'aarch64' | undefined
  readonly release: string | undefined
  readonly btf: string | undefined
  readonly out: string
  readonly timeout: string
  readonly output: 'table' | 'json'
}

const command: CommandModule<object, Args> = {
  command: 'compile [file]',
  describe: 'Compile a BPF program by a compile server',
  builder: (yargs) =>
    withHelp(
      yargs
        .positional('file', { type: 'string', describe: 'A BPF program in C: NAME.bpf.c' })
        .options({
          object: {
            choices: ['meshaccel', 'measure'] as const,
            describe: 'In place of a file: an object of meshaccel itself',
            requiresArg: true,
          },
          header: {
            type: 'string',
            array: true,
            default: [],
            describe: 'A header that the file includes; may be repeated',
            requiresArg: true,
          },
          server: {
            type: 'string',
            demandOption: true,
            describe: 'HOST:PORT of the compile server',
            requiresArg: true,
          },
          ...identityOptions,
          machine: {
            choices: ['x86_64', 'aarch64'] as const,
            describe: "The target's machine [default: the server's]",
            requiresArg: true,
          },
          release: {
            type: 'string',
            describe: "The target's kernel, as `uname -r` prints it: the server has its BTF",
            requiresArg: true,
          },
          btf: {
            type: 'string',
            describe: "The target's BTF: a copy of its /sys/kernel/btf/vmlinux",
            requiresArg: true,
          },
          out: {
            type: 'string',
            default: '.',
            describe: 'The directory for NAME.bpf.o, NAME.btf and NAME.ts',
            requiresArg: true,
          },
          timeout: {
            type: 'string',
            default: '5m',
            describe: 'How long to wait for the answer: 500ms, 30s, 2m, or seconds',
            requiresArg: true,
          },
          output: outputOption,
        }),
      {
        usage: 'compile FILE --server HOST:PORT --cert FILE --key FILE --ca FILE',
        about:
          'Sends a BPF program to a compile server (`meshaccel compile-server`), and writes its object. With --btf or ' +
          '--release it also writes the part of the BTF that the object needs, for kernels without a BTF of their own. ' +
          'It writes TypeScript types for the package libbpf, too. This machine needs no clang and no headers.',
        examples: [
          [
            'compile opens.bpf.c --server build:7443 --cert me.crt --key me.key --ca ca.crt',
            'for the kernel of the server',
          ],
          [
            'compile opens.bpf.c --btf vmlinux.btf --out lib --server build:7443 --cert me.crt --key me.key --ca ca.crt',
            'for the kernel of that BTF',
          ],
        ],
        exit: '0 compiled, 1 it does not compile or the server failed, 2 invalid command line',
      },
    ),
  handler: async (args) => {
    const environment = environmentOf(args)
    const request = requestOf(args)
    const timeoutMs = durationMs('--timeout', args.timeout, { minMs: 1, maxMs: 3_600_000 })
    using client = new CompileClient(args.server, readIdentity(args))
    const answer = await client.compile(request, timeoutMs)
    const written = answer.ok ? write(args, answer) : {}
    const { ok, diagnostics, notes, compiler, cached } = answer
    if (args.output === 'table') {
      if (diagnostics !== '') environment.stderr.write(`${plainLines(diagnostics)}\n`)
      for (const note of notes) environment.stderr.write(`note: ${plainLines(note)}\n`)
    }
    print(environment, args.output, { ok, ...written, diagnostics, notes, compiler, cached }, () =>
      Object.values(written).map(describeFile).join(''),
    )
    if (!ok) environment.exitCode = 1
  },
}

export default command

function requestOf({ file, object, header, machine, release, btf }: Args): CompileRequest {
  if ((file === undefined) === (object === undefined)) {
    throw new UsageError('name a file, or an object with --object')
  }
  const target = {
    ...(machine !== undefined && { machine }),
    ...(release !== undefined && { release }),
    ...(btf !== undefined && { btf: read(btf) }),
  }
  if (file === undefined) return { object: object ?? '', target }
  return { source: { file: sentFile(file), headers: header.map(sentFile) }, target }
}

const sentFile = (path: string): File => ({ name: basename(path), content: read(path) })

function read(path: string): Uint8Array {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new MeshaccelError(messageOf(error), {
      code: 'NO_FILE',
      operation: `read ${path}`,
      cause: error,
    })
  }
}

interface Written {
  readonly path: string
  readonly bytes: number
}

/** Writes the parts of the answer that are there. */
function write(
  { file, object, out }: Args,
  answer: CompileResponse,
): { object?: Written; btf?: Written; types?: Written } {
  const name = basename(file ?? object ?? '').replace(/(?:\.bpf)?\.c$/, '')
  mkdirSync(out, { recursive: true })
  const part = (suffix: string, content: Uint8Array): Written | undefined => {
    if (content.length === 0) return undefined
    const path = join(out, `${name}${suffix}`)
    writeFileSync(path, content)
    return { path, bytes: content.length }
  }
  const written = {
    object: part('.bpf.o', answer.object),
    btf: part('.btf', answer.btf),
    types: part('.ts', Buffer.from(answer.types)),
  }
  return {
    ...(written.object && { object: written.object }),
    ...(written.btf && { btf: written.btf }),
    ...(written.types && { types: written.types }),
  }
}

const describeFile = ({ path, bytes }: Written): string => `${path}  ${formatBytes(bytes)}\n`

/** The diagnostics quote the source, which may hold what a terminal would obey. */
const plainLines = (text: string): string => text.split('\n').map(plain).join('\n')
