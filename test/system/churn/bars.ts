import type { ChurnOptions, ChurnReport } from './churn.ts'

interface Bar {
  readonly what: string
  readonly holds: boolean
}

/** The promises for a node with churn, and whether the report keeps them. */
export function bars(
  { phases, agentPeakRssMiB, enrolledAfterMs, plugin }: ChurnReport,
  { rate }: Pick<ChurnOptions, 'rate'>,
): Bar[] {
  const { idle, churn } = phases
  return [
    {
      what: `${churn.replacedPerSecond.toFixed(1)} pods replaced in a second, ${rate} asked for`,
      holds: churn.replacedPerSecond > 0.95 * rate,
    },
    under('CPU during churn', churn.agentCpuPercent, 5, '% of a core'),
    under('CPU while idle', idle.agentCpuPercent, 1, '% of a core'),
    under('CPU while idle again', phases['idle again'].agentCpuPercent, 1, '% of a core'),
    under('memory, the start included', agentPeakRssMiB, 200, 'MiB'),
    under('enrolled after its address is known', enrolledAfterMs.longest, 1_000, 'ms'),
    {
      what: `${plugin.enrolledByThen} of ${plugin.enrolled} pods enrolled before their first process`,
      holds: plugin.enrolledByThen === plugin.enrolled,
    },
  ]
}

function under(what: string, figure: number, limit: number, unit: string): Bar {
  return {
    what: `${what}: ${figure.toFixed(2)} ${unit}, less than ${limit}`,
    holds: figure < limit,
  }
}
