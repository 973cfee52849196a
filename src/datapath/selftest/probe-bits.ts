/** The results of the probes, stored in the settings for an agent that adopts them. */
import type { ConfigRecord } from '../maps/layout.ts'
import { consequences, type Probe } from './policy.ts'

type Bits = Pick<ConfigRecord, 'probes_run' | 'probes_ok'>

export function probeBits(probes: readonly Pick<Probe, 'name' | 'ok'>[]): Bits {
  return { probes_run: bitsOf(probes), probes_ok: bitsOf(probes.filter(({ ok }) => ok)) }
}

/** Results by probe name, only for probes that ran. */
export function probesOf({ probes_run: run, probes_ok: ok }: Bits): Record<string, boolean> {
  return Object.fromEntries(
    consequences.flatMap(([name], bit) =>
      run & (1 << bit) ? [[name, (ok & (1 << bit)) !== 0]] : [],
    ),
  )
}

/** A probe's index in `consequences` is its bit. */
const bitsOf = (probes: readonly Pick<Probe, 'name'>[]): number =>
  consequences.reduce(
    (bits, [name], bit) => bits | (probes.some((probe) => probe.name === name) ? 1 << bit : 0),
    0,
  )
