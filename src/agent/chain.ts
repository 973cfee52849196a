import { type ChainState, chainStatePath, readChainState } from '../lib/cni-chain-state.ts'
import type { PodSource } from '../sources/source.ts'

const lookMs = 10_000

/**
 * Tells users by the source when new pods of this node are not announced by the CNI plugin. They are enrolled all the
 * same, as soon as the source tells of them. What the keeper of the chain finds is in a file: it is another container.
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

/** A network that is not there yet is no fault. */
const isWrong = ({ state }: ChainState): boolean => state === 'contested' || state === 'refused'

const problemOf = ({ problem, hint }: ChainState): string =>
  [problem, hint].filter((text) => text !== undefined).join('. ')
