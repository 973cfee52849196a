import type { Child } from '../system/child.ts'
import type { ApplicationAddress } from '../proxies/nginx.ts'
import type { Endpoint } from '../system/endpoint.ts'
import { listening, type Pod, startInPod } from '../topology/pod.ts'
import type { UndoStack } from '../system/undo-stack.ts'
import type { Waiting } from '../measure/polling.ts'
import { loadProgram } from './program.ts'

export interface StreamLoad {
  readonly target: Endpoint
  readonly writeBytes: number
  readonly connections: number
  readonly durationMs: number
}

export interface Streamed {
  readonly gbps: number
  readonly writes: number
}

/** Starts the receiver of the streams in place of the application. */
export async function startReceiver(
  stack: UndoStack,
  pod: Pod,
  address: ApplicationAddress,
  waiting: Waiting,
): Promise<Child> {
  const { host, port, socket } = address
  const addresses = [`${host}:${port}`, `unix:${socket}`]
  const child = await startInPod(stack, pod, 'receiver', [
    loadProgram('stream'),
    'receive',
    ...addresses,
  ])
  await listening(pod, child, { host, port }, waiting)
  await listening(pod, child, { socket }, waiting)
  return child
}

/** Sends for a time and returns the rate. Throws unless every byte arrived at its position. */
export async function runStream(
  stack: UndoStack,
  pod: Pod,
  load: StreamLoad,
  waiting: Waiting,
): Promise<Streamed> {
  const { target } = load
  const address = 'socket' in target ? `unix:${target.socket}` : `${target.host}:${target.port}`
  const numbers = [load.connections, load.writeBytes, load.durationMs].map(String)
  const child = await startInPod(stack, pod, 'sender', [
    loadProgram('stream'),
    'send',
    address,
    ...numbers,
  ])
  const output = await child.result(waiting, load.durationMs + 60_000)
  const [bytes = Number.NaN, seconds = Number.NaN] = output.trim().split(' ').map(Number)
  return { gbps: (bytes * 8) / seconds / 1e9, writes: bytes / load.writeBytes }
}
