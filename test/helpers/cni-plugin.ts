import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

/** The plugin as the build makes it. */
export const cniPlugin: string = fileURLToPath(
  new URL('../../build/cni/meshaccel-cni', import.meta.url),
)

export interface PluginRun {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface PluginCall {
  readonly command?: string
  readonly input: string | Buffer
  readonly args?: string
  readonly netns?: string
  readonly containerId?: string
  /** A build other than the shipped one. */
  readonly program?: string
  readonly environment?: Readonly<Record<string, string>>
}

const variables = ({
  command,
  args,
  netns,
  containerId = 'c0ffee',
  environment,
}: PluginCall): Record<string, string> => ({
  ...environment,
  ...(command === undefined ? {} : { CNI_COMMAND: command }),
  CNI_CONTAINERID: containerId,
  CNI_NETNS: netns ?? '/run/netns/cart',
  CNI_IFNAME: 'eth0',
  CNI_PATH: '/opt/cni/bin',
  CNI_ARGS: args ?? 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-0;K8S_POD_UID=u-1',
})

/** Runs the plugin as a container runtime does, with only CNI's own environment. */
export function runPlugin(call: PluginCall): Promise<PluginRun> {
  return new Promise((resolve, reject) => {
    const child = spawn(call.program ?? cniPlugin, [], { env: variables(call) })
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout.on('data', (data: Buffer) => out.push(data))
    child.stderr.on('data', (data: Buffer) => err.push(data))
    child.on('error', reject)
    child.on('close', (code) =>
      resolve({
        code,
        stdout: Buffer.concat(out).toString(),
        stderr: Buffer.concat(err).toString(),
      }),
    )
    // A plugin that has ended early does not read its input.
    child.stdin.on('error', () => undefined)
    child.stdin.end(call.input)
  })
}

/** Like `runPlugin`, but blocks this process. So no agent in it can answer. */
export function runPluginSync(call: PluginCall): PluginRun {
  const { status, stdout, stderr } = spawnSync(call.program ?? cniPlugin, [], {
    env: variables(call),
    input: call.input,
    maxBuffer: 64 << 20,
  })
  return { code: status, stdout: stdout.toString(), stderr: stderr.toString() }
}

/** A short path for a socket: a checkout's path may exceed the 107 bytes. */
export function socketPath(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'cni-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  return join(directory, 'cni.sock')
}

/** The socket of an agent that does not exist. */
export const nowhere = '/nonexistent/cni.sock'

/** The input of a chained plugin, as a runtime writes it. */
export function configuration(fields: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    cniVersion: '1.0.0',
    name: 'pods',
    type: 'meshaccel-cni',
    socket: nowhere,
    ...fields,
  })
}
