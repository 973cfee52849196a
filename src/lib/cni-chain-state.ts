import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** Where the keeper of the CNI chain tells the agent and `doctor` how it fares. */
export const chainStatePath = '/run/meshaccel/cni-chain.json'

/** How the CNI plugin is chained in on this node. */
export interface ChainState {
  /**
   * `chained`: new pods are announced by the plugin. `waiting`: there is no network yet. `refused`: the network cannot
   * have the plugin. `contested`: another program takes it out each time.
   */
  readonly state: 'chained' | 'waiting' | 'refused' | 'contested'
  readonly file?: string
  /** What is wrong, a sentence, and what to do about it. */
  readonly problem?: string
  readonly hint?: string
  /** Since when, in ISO 8601. */
  readonly since: string
}

/** Tells the state to whom it may concern, or that there is none any more. Without the directory, nobody reads it. */
export function writeChainState(path: string, state: ChainState | undefined): void {
  if (!statSync(dirname(path), { throwIfNoEntry: false })?.isDirectory()) return
  if (!state) return rmSync(path, { force: true })
  writeFileSync(`${path}.new`, `${JSON.stringify(state)}\n`, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

/** Undefined when no keeper runs here. */
export function readChainState(path: string = chainStatePath): ChainState | undefined {
  try {
    const state: ChainState = JSON.parse(readFileSync(path, 'utf8'))
    return typeof state.state === 'string' && typeof state.since === 'string' ? state : undefined
  } catch {
    return undefined
  }
}
