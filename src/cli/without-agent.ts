import { lockAgent } from '../agent/lock.ts'
import { ControlClient } from '../api/client.ts'
import { isExplained } from '../lib/errors.ts'
import { requireRoot } from './require-root.ts'
import type { CliEnvironment } from './environment.ts'

/** Connects to the agent; undefined when there is none, which not everybody may find out. */
export async function connectIfRunning(
  environment: CliEnvironment,
  socketPath: string,
  operation: string,
): Promise<ControlClient | undefined> {
  requireRoot(environment, operation)
  try {
    return await ControlClient.connect(socketPath)
  } catch (error) {
    if (isExplained(error) && error.code === 'AGENT_NOT_RUNNING') return undefined
    throw error
  }
}

/** Does an agent's work in its absence, and keeps one from starting meanwhile. */
export async function inPlaceOfAgent<T>(socketPath: string, work: () => Promise<T>): Promise<T> {
  const lock = lockAgent(socketPath)
  try {
    return await work()
  } finally {
    lock[Symbol.dispose]()
  }
}
