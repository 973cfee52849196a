/** Keeps the answers of the probes in the settings, for an agent that adopts the pins. */
import type { ConfigRecord } from '../maps/generated.ts'
import { consequences, type Probe } from './policy.ts'

type Bits = Pick<ConfigRecord, 'probesRun' | 'probesOk'>

export function probeBits(probes: readonly Pick<Probe, 'name' | 'ok'>[]): Bits {
  return { probesRun: bitsOf(probes), probesOk: bitsOf(probes.filter(({ ok }) => ok)) }
}

/** The probes that ran. */
export const probesIn = (bits: Bits): Probe[] =>
  consequences.flatMap(([name], bit) =>
    bits.probesRun & (1 << bit)
      ? [{ name, ok: (bits.probesOk & (1 << bit)) !== 0, detail: '' }]
      : [],
  )

/** By the name of the probe, those that ran. */
export const probesOf = (bits: Bits): Record<string, boolean> =>
  Object.fromEntries(probesIn(bits).map(({ name, ok }) => [name, ok]))

/** A probe's index in `consequences` is its bit. */
const bitsOf = (probes: readonly Pick<Probe, 'name'>[]): number =>
  consequences.reduce(
    (bits, [name], bit) => bits | (probes.some((probe) => probe.name === name) ? 1 << bit : 0),
    0,
  )
