import type { ShowArgs } from '../options.ts'

/** The options of `status --cluster`. */
export interface ClusterArgs extends Pick<ShowArgs, 'output' | 'watch'> {
  readonly kubeconfig: string | undefined
  readonly context: string | undefined
  readonly selector: string | undefined
  readonly timeout: string
}
