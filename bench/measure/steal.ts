/** One reading of /proc/stat in ticks: all time, and the time that the hypervisor gave to other machines. */
export interface CpuTicks {
  readonly all: number
  readonly steal: number
}

/** Above this share the figures of a round are not reliable. */
export const STEAL_LIMIT = 0.03

export function parseStat(stat: string): CpuTicks {
  const fields = /^cpu +(.*)$/m.exec(stat)?.[1]?.split(' ').map(Number)
  // proc(5): user nice system idle iowait irq softirq steal. The later fields are parts of user and nice.
  const times = fields?.slice(0, 8) ?? []
  return { all: times.reduce((sum, ticks) => sum + ticks, 0), steal: times[7] ?? 0 }
}

export function stealShare(before: CpuTicks, after: CpuTicks): number {
  const all = after.all - before.all
  return all > 0 ? (after.steal - before.steal) / all : 0
}
