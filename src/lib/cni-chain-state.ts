import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** The file through which the keeper of the CNI chain reports its state to the agent and `doctor`. */
export const chainStatePath = '/run/meshaccel/cni-chain.json'

/** The state of the CNI plugin in this node's chain. */
export interface ChainState {
  /**
   * `chained`: the plugin announces new pods. `waiting`: there is no network yet. `refused`: the network cannot include
   * the plugin. `contested`: another program removes it each time.
   */
  readonly state: 'chained' | 'waiting' | 'refused' | 'contested'
  readonly file?: string
  /** The problem as a sentence. `hint` says what to do about it. */
  readonly problem?: string
  readonly hint?: string
  /** The time of the last change, in ISO 8601. */
  readonly since: string
}

/**
 * Writes the state, or removes it if `state` is undefined. Does nothing if the directory is missing, because then no
 * process reads it.
 */
export function writeChainState(path: string, state: ChainState | undefined): void {
  if (!statSync(dirname(path), { throwIfNoEntry: false })?.isDirectory()) return
  if (!state) return rmSync(path, { force: true })
  writeFileSync(`${path}.new`, `${JSON.stringify(state)}\n`, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

/** Returns undefined if no keeper runs here. */
export function readChainState(path: string = chainStatePath): ChainState | undefined {
  try {
    const state: ChainState = JSON.parse(readFileSync(path, 'utf8'))
    return typeof state.state === 'string' && typeof state.since === 'string' ? state : undefined
  } catch {
    return undefined
  }
}
