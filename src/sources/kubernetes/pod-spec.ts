/** The part of a pod (core/v1) that identifies its mesh. */
export interface PodSpecFacts {
  readonly metadata?: {
    readonly annotations?: Readonly<Record<string, string>>
    readonly labels?: Readonly<Record<string, string>>
  }
  readonly spec?: {
    readonly containers?: readonly ContainerFacts[]
    readonly initContainers?: readonly ContainerFacts[]
    readonly securityContext?: RunsAs
  }
}

export interface ContainerFacts {
  readonly name: string
  readonly args?: readonly string[]
  readonly env?: readonly { readonly name: string; readonly value?: string }[]
  readonly restartPolicy?: string
  readonly securityContext?: RunsAs
}

export interface RunsAs {
  readonly runAsUser?: number
  readonly runAsGroup?: number
}
