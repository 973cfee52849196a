import { MeshaccelError } from '../../src/lib/errors.ts'
import type { PathBytes } from './accelerator.ts'

/** The figures of an agent that the bench reads while it measures. */
export interface AgentFigures {
  /** Connections that are accelerated in both directions. */
  readonly engaged: number
  readonly bytes: PathBytes
}

/** The port of the agent's metrics, from its log; undefined before it serves them. */
export function metricsPort(log: string): number | undefined {
  const port = /"port":(\d+),"msg":"serves probes and metrics"/.exec(log)?.[1]
  return port === undefined ? undefined : Number(port)
}

/** Asks the agent for its metrics. `meshaccel status` tells the same, but the start of Node takes the CPU from the load. */
export async function readFigures(port: number, signal: AbortSignal): Promise<AgentFigures> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`, { signal })
  return parseFigures(await response.text())
}

/** Parses Prometheus' text format. Throws METRICS_MISSING. */
export function parseFigures(text: string): AgentFigures {
  const value = (name: string): number => {
    const line = text.split('\n').find((each) => each.startsWith(`${name} `))
    if (line !== undefined) return Number(line.slice(name.length))
    throw new MeshaccelError(`the agent has no metric ${name}`, {
      code: 'METRICS_MISSING',
      operation: 'read the metrics of the agent',
    })
  }
  return {
    engaged: value('meshaccel_connections{state="engaged"}'),
    bytes: {
      redirected: value('meshaccel_redirected_bytes_total'),
      tcp: value('meshaccel_tcp_bytes_total'),
    },
  }
}
