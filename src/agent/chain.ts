import { type ChainState, chainStatePath, readChainState } from '../lib/cni-chain-state.ts'
import type { PodSource } from '../sources/source.ts'

const lookMs = 10_000

/**
 * Warns users through the source if the CNI plugin does not announce new pods of this node. The agent still enrols them
 * once the source reports them. The keeper of the chain runs in another container and writes its findings to a file.
 */
export class ChainWatch implements Disposable {
  readonly #source: Pick<PodSource, 'warnOfNode'>
  readonly #path: string
  readonly #timer: NodeJS.Timeout

  constructor(source: Pick<PodSource, 'warnOfNode'>, path: string = chainStatePath) {
    this.#source = source
    this.#path = path
    this.#timer = setInterval(() => this.look(), lookMs)
    this.#timer.unref()
  }

  look(): void {
    const state = readChainState(this.#path)
    if (state && isWrong(state)) this.#source.warnOfNode?.('CniPluginNotChained', problemOf(state))
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}

/** A network that does not exist yet is no fault. */
const isWrong = ({ state }: ChainState): boolean => state === 'contested' || state === 'refused'

const problemOf = ({ problem, hint }: ChainState): string =>
  [problem, hint].filter((text) => text !== undefined).join('. ')
