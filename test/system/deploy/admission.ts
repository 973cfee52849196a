import { spawnSync } from 'node:child_process'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { parseAllDocuments } from 'yaml'
import { packageRoot } from '../../../src/lib/package.ts'

export const chart: string = join(packageRoot, 'deploy/helm/meshaccel')

/** Helm 3: from HELM, from the PATH, or from test/system/cluster/setup.sh; undefined if there is none. */
export const helm: string | undefined = [
  process.env['HELM'],
  'helm',
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'meshaccel/helm'),
].find(
  (command) =>
    command !== undefined && spawnSync(command, ['version'], { stdio: 'ignore' }).status === 0,
)

/** The input of one rendering, and its cluster. */
export interface Case {
  /** The text of a values file. */
  readonly values?: string
  readonly kubeVersion?: string
  /** API versions that the cluster serves besides Kubernetes' own. */
  readonly apiVersions?: readonly string[]
  readonly release?: string
  readonly namespace?: string
  /** The objects that `lookup` finds. Absent: there is no cluster, as for `helm template`. */
  readonly cluster?: readonly object[]
}

type Level = 'privileged' | 'baseline' | 'restricted'

export interface Verdict {
  /** Helm's error, if it refuses. */
  readonly error?: string
  readonly notes?: string
  readonly manifests?: string
  /** The answers of an API server to bad objects. */
  readonly problems: readonly string[]
  readonly pods: readonly {
    readonly kind: string
    readonly name: string
    /** The reasons why a level of Pod Security refuses them; empty if it admits them. */
    readonly refusals: Readonly<Record<Level, readonly string[]>>
  }[]
}

/** Renders the chart and judges the objects. Returns undefined and skips the test if the judge cannot be built. */
export function judge(t: Test, cases: readonly Case[]): Verdict[] | undefined {
  const setup = spawnSync('bash', [join(packageRoot, 'test/system/deploy/setup.sh')], {
    encoding: 'utf8',
  })
  if (setup.status !== 0) {
    t.plan(0, setup.stderr.trim())
    return undefined
  }
  const input = cases.map((each) => ({
    values: '',
    kubeVersion: 'v1.34.2',
    apiVersions: [],
    release: 'meshaccel',
    namespace: 'meshaccel-system',
    ...each,
  }))
  const { status, stdout, stderr } = spawnSync(setup.stdout.trim(), [chart], {
    input: JSON.stringify(input),
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (status !== 0) throw new Error(stderr)
  const verdicts: Verdict[] = JSON.parse(stdout)
  return verdicts
}

/** The part of pods that tests look at. */
export interface PodSpec {
  readonly nodeSelector?: Readonly<Record<string, string>>
  readonly affinity?: {
    readonly nodeAffinity: {
      readonly requiredDuringSchedulingIgnoredDuringExecution: {
        readonly nodeSelectorTerms: readonly {
          readonly matchExpressions: readonly {
            readonly key: string
            readonly operator: string
            readonly values: readonly string[]
          }[]
        }[]
      }
    }
  }
  readonly containers: readonly Container[]
  readonly initContainers?: readonly Container[]
  readonly volumes?: readonly {
    readonly name: string
    readonly hostPath?: { readonly path: string }
  }[]
}

export interface Container {
  readonly name: string
  readonly image: string
  readonly args?: readonly string[]
  readonly securityContext: {
    readonly privileged?: boolean
    readonly capabilities?: { readonly drop: string[]; readonly add?: string[] }
  }
}

export interface Manifest {
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly annotations?: Readonly<Record<string, string>>
    readonly labels?: Readonly<Record<string, string>>
  }
  readonly rules?: unknown
  readonly users?: readonly string[]
  readonly spec?: {
    readonly template: {
      readonly metadata: { readonly annotations: Readonly<Record<string, string>> }
      readonly spec: PodSpec
    }
  }
}

export function manifestsOf(text: string | undefined): Manifest[] {
  return parseAllDocuments(text ?? '')
    .map((document): Manifest | null => {
      const [error] = document.errors
      if (error) throw error
      return document.toJS()
    })
    .filter((manifest) => manifest !== null)
}

/** The pods of DaemonSets and Jobs, by the name of those. */
export function podsOf(text: string | undefined): Map<string, PodSpec> {
  const found = manifestsOf(text).flatMap(({ kind, metadata, spec }) =>
    spec && (kind === 'DaemonSet' || kind === 'Job')
      ? [[metadata.name, spec.template.spec] as const]
      : [],
  )
  return new Map(found)
}

/** The host path of a volume. */
export function hostPath({ volumes }: PodSpec, name: string): string | undefined {
  return volumes?.find((volume) => volume.name === name)?.hostPath?.path
}
