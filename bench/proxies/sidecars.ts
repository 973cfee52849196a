import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { versionOf } from '../measure/host.ts'
import type { Waiting } from '../measure/polling.ts'
import type { Child } from '../system/child.ts'
import type { UndoStack } from '../system/undo-stack.ts'
import type { Pod } from '../topology/pod.ts'
import { envoyConfig } from './envoy.ts'
import { haproxyConfig } from './haproxy.ts'
import type { Hop } from './hop.ts'

/** The command that starts one sidecar. */
export interface Launch {
  readonly command: readonly string[]
  /** Variables besides those of the bench. */
  readonly env?: Readonly<Record<string, string>>
}

/** The software of a sidecar, as reports name it. */
export type ProxySoftware = 'haproxy' | 'envoy' | 'linkerd2-proxy'

/** Makes the sidecars of pods. Those of some software need services in the pods, until the stack ends. */
export interface SidecarSource extends Pick<Sidecars, 'software' | 'version'> {
  of(stack: UndoStack, pods: readonly Pod[]): Sidecars
}

/** The proxies of a run. */
export interface Sidecars {
  readonly software: ProxySoftware
  readonly version: string
  /** Writes the configuration of a sidecar, and returns the command. */
  launch(pod: Pod, hop: Hop): Launch
  /** Waits until a sidecar that listens can forward. Most can at once. */
  ready?(pod: Pod, child: Child, waiting: Waiting): Promise<void>
  /** Throws if the server's sidecar has had no mutual TLS from the other one. Most cannot be configured to do without. */
  assertMutual?(server: Pod): void
}

export function haproxySidecars(directory: string): Sidecars {
  return {
    software: 'haproxy',
    version: versionOf('haproxy', '-v'),
    launch: (_pod, hop) => {
      const config = join(directory, `${hop.direction}.cfg`)
      writeFileSync(config, haproxyConfig(hop))
      return { command: ['haproxy', '-db', '-f', config] }
    },
  }
}

export function envoySidecars(directory: string, binary: string): Sidecars {
  return {
    software: 'envoy',
    version: versionOf(binary, '--version'),
    launch: (_pod, hop) => {
      const config = join(directory, `${hop.direction}.json`)
      writeFileSync(config, envoyConfig(hop))
      // Two Envoys with the same base id refuse to run together.
      const baseId = (process.pid % 16384) * 2 + (hop.direction === 'outbound' ? 0 : 1)
      const alone = ['--concurrency', '1', '--disable-hot-restart', '--base-id', String(baseId)]
      return { command: [binary, '--config-path', config, ...alone, '--log-level', 'error'] }
    },
  }
}
