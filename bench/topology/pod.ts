import { existsSync } from 'node:fs'
import { Child } from '../system/child.ts'
import { pollUntil, type Waiting } from '../measure/polling.ts'
import type { Endpoint } from '../system/endpoint.ts'
import type { UndoStack } from '../system/undo-stack.ts'
import { inside, type PodNetwork } from './network.ts'

/** The namespace and cgroup for the processes of one pod. */
export interface Pod extends PodNetwork {
  /** The cgroup v2 directory of its processes. */
  readonly cgroup: string
}

/** The user, capabilities and variables of a process. */
interface Identity {
  readonly uid: number
  /** Additional capabilities, in setpriv's names. */
  readonly capabilities?: readonly string[]
  /** Variables besides those of the bench. */
  readonly env?: Readonly<Record<string, string>>
}

/** Starts a process in a pod, as root or as the mesh's proxy user. */
export async function startInPod(
  stack: UndoStack,
  pod: Pod,
  name: string,
  command: readonly string[],
  { uid, capabilities = [], env = {} }: Identity = { uid: 0 },
): Promise<Child> {
  // - The proxy's user may not enter the directory that the bench was started in, such as root's home.
  // - A socket belongs to the cgroup in which its process created it, so the process moves before it starts.
  const script =
    'echo 0 >"$0/cgroup.procs" && cd / && exec nsenter --net="$1" -- setpriv --clear-groups "${@:2}"'
  const granted = capabilities.map((capability) => `+${capability}`).join(',')
  const place = [
    pod.cgroup,
    pod.netns,
    `--reuid=${uid}`,
    `--regid=${uid}`,
    ...(granted ? [`--inh-caps=${granted}`, `--ambient-caps=${granted}`] : []),
    '--',
  ]
  const called = `${name} in the ${pod.name} pod`
  const all = ['bash', '-c', script, ...place, ...command]
  return Child.start(stack, called, all, { ...process.env, ...env })
}

/** Waits until the process listens at the endpoint. */
export async function listening(
  pod: Pod,
  child: Child,
  endpoint: Endpoint,
  waiting: Waiting,
): Promise<void> {
  const where = 'socket' in endpoint ? endpoint.socket : `port ${endpoint.port}`
  const listens = (): boolean =>
    'socket' in endpoint
      ? // HAProxy binds a temporary name first, and the kernel always shows that name.
        existsSync(endpoint.socket) &&
        inside(pod.netns, 'ss', '-Hlx').includes(` ${endpoint.socket}`)
      : inside(pod.netns, 'ss', '-Hltn', `sport = :${endpoint.port}`).trim() !== ''
  await pollUntil(
    () => {
      child.assertRunning()
      return listens() ? true : undefined
    },
    { operation: `wait for ${child.name} on ${where}`, waiting, reason: () => child.stderr },
  )
}
