/** The policies of guests, where a self-test would take minutes. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { BpfMap, u32 } from 'libbpf'
import { HIDES_REDIRECTED } from '../../../src/datapath/loop/scans.ts'
import { config } from '../../../src/datapath/maps/generated.ts'
import type { AgentProcess } from '../../helpers/agent-process.ts'
import type { Mesh } from '../../helpers/mesh.ts'

let hides: boolean | undefined

/** Kernels without this function hide redirected bytes from FIONREAD. The self-test finds that out by asking. */
export function hidesRedirected(): boolean {
  hides ??= !readFileSync('/proc/kallsyms', 'latin1').includes(' tcp_bpf_ioctl')
  return hides
}

/**
 * Starts an agent with the FIONREAD watch, as after a self-test where redirected bytes are hidden. The watch is a kprobe, or
 * a tracepoint where there are no kprobes.
 */
export async function startWatching(
  { mesh, say }: { readonly mesh: Mesh; readonly say: (text: string) => void },
  ...flags: string[]
): Promise<AgentProcess> {
  const agent = await mesh.startAgent('--policy', 'full', ...flags)
  for (const version of readdirSync(mesh.pinDir)) {
    const directory = join(mesh.pinDir, version)
    using settings = BpfMap.fromPin(join(directory, 'config'), u32, config)
    const found = settings.lookup(0)
    if (!found) throw new Error('the config map is an array of one')
    const fionreadHides = hidesRedirected() ? HIDES_REDIRECTED : found.fionreadHides
    settings.update(0, { ...found, fionreadHides })
    const watches = readdirSync(directory).filter((name) => /^(fionread|ioctl_call)/.test(name))
    say(`fionreadHides ${fionreadHides}, attached: ${watches.join(' ')}`)
  }
  return agent
}
