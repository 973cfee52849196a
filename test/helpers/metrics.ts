import type { AgentProcess } from './agent-process.ts'

/** A line of Prometheus' text format. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** The metrics of an agent that runs with `--metrics 127.0.0.1:0`. */
export async function metricsOf(agent: Pick<AgentProcess, 'log'>): Promise<Sample[]> {
  const port = /"port":(\d+),"msg":"serves probes and metrics"/.exec(agent.log)?.[1]
  const response = await fetch(`http://127.0.0.1:${port}/metrics`)
  const text = await response.text()
  if (response.status !== 200) throw new Error(text)
  return parseMetrics(text)
}

export function parseMetrics(text: string): Sample[] {
  return [...text.matchAll(/^([a-z_]+)(?:\{(.*)\})? (\S+)$/gm)].map(
    ([, name = '', labels = '', value]) => ({
      name,
      labels: Object.fromEntries(
        [...labels.matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, key = '', of = '']) => [key, of]),
      ),
      value: Number(value),
    }),
  )
}
