import { availableParallelism, machine as machineOfHost, release } from 'node:os'
import { MeshaccelError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { CacheBounds } from './cache.ts'
import { Compiler } from './compiler.ts'
import { Kernels } from './kernels.ts'
import { type Machine, machines } from './request.ts'
import { defaultLimits, type Limits, Sandbox } from './sandbox.ts'
import { CompileServer } from './server.ts'
import { Service } from './service.ts'
import { Slots } from './slots.ts'
import type { Identity } from './tls.ts'
import { findToolchain, ownBtf, type Toolchain } from './toolchain.ts'

export interface CompileServerConfig {
  /** `HOST:PORT`; port 0 takes any. */
  readonly address: string
  readonly identity: Identity
  /** BTFs of other kernels: `DIR/MACHINE/RELEASE.btf`. */
  readonly btfDirectory?: string | undefined
  readonly cache: CacheBounds
  /** How many compilations run at once; by default one on each core. */
  readonly jobs?: number | undefined
  /** How many more may wait. */
  readonly queue: number
  readonly limits?: Partial<Limits>
}

export interface RunningCompileServer {
  readonly port: number
  /** Finishes open calls for at most `graceMs`, then ends their sandboxes. */
  stop(graceMs: number): Promise<void>
}

/** Throws NO_TOOL or NO_SANDBOX if this machine cannot compile safely. */
export async function startCompileServer(
  config: CompileServerConfig,
  log: Log,
): Promise<RunningCompileServer> {
  const toolchain = findToolchain()
  const sandbox = new Sandbox(toolchain)
  await tryOut(toolchain, sandbox)
  const machine = ownMachine()
  const kernels = new Kernels(ownBtf(), machine, release(), config.btfDirectory)
  const compiler = new Compiler(toolchain, sandbox, kernels, config.limits)
  const slots = new Slots(config.jobs ?? Math.min(availableParallelism(), 16), config.queue)
  const service = new Service(compiler, slots, config.cache, machine, log)
  const server = await CompileServer.listen(config.address, config.identity, service, log)
  log.info({ address: config.address, port: server.port, compiler: toolchain.compiler }, 'ready')
  return {
    port: server.port,
    stop: async (graceMs) => {
      await server.close(graceMs)
      sandbox.killAll()
    },
  }
}

/** Runs both kinds of programs once, so that a machine that cannot is found before the first request. */
async function tryOut({ build, types }: Toolchain, sandbox: Sandbox): Promise<void> {
  const limits = { ...defaultLimits, processes: 32 }
  const files = new Map([['/work/empty', new Uint8Array()]])
  for (const [view, name] of [
    [build, 'clang'],
    [types, 'node'],
  ] as const) {
    const command = [`/usr/bin/${name}`, '--version']
    const { ok, stderr, limit } = await sandbox.run({ view, command, files }, limits, 0)
    if (ok) continue
    throw new MeshaccelError(stderr.trim() || limit || 'it failed', {
      code: 'NO_SANDBOX',
      operation: `run ${name} in the sandbox`,
      hint: 'The service needs root, or user namespaces for its user: docs/COMPILE.md.',
    })
  }
}

function ownMachine(): Machine {
  const host = machineOfHost()
  const found = machines.find((name) => name === host)
  if (found !== undefined) return found
  throw new MeshaccelError(`this machine is ${host}`, {
    code: 'BAD_MACHINE',
    operation: 'start the compile server',
    hint: `It runs on ${machines.join(' and ')}.`,
  })
}
