import { ControlClient } from '../api/client.ts'
import { defaults } from '../lib/config.ts'

/** Longer than that, Tab had better do nothing. */
const timeoutMs = 5_000

/** The commands whose next word is a pod. */
const commandsOfPods = ['explain', 'capture', 'readers forgive']

/**
 * The agent's pods that the line may go on with, where it wants one; undefined where yargs knows better. A completion prints no error if the agent does not answer.
 */
export async function completePods(words: readonly string[]): Promise<string[] | undefined> {
  const current = words.at(-1) ?? ''
  const before = words.slice(1, -1)
  if (current.startsWith('-') || !wantsPod(before)) return undefined
  const socketPath = before[before.indexOf('--socket') + 1]
  const names = await podNames(
    before.includes('--socket') && socketPath ? socketPath : defaults.socketPath,
  ).catch(() => [])
  return names.filter((name) => name.startsWith(current))
}

function wantsPod(before: readonly string[]): boolean {
  if (['--pod', '--to'].includes(before.at(-1) ?? '')) return true
  const command = before.filter((word, i) => !word.startsWith('-') && before[i - 1] !== '--socket')
  return commandsOfPods.includes(command.join(' '))
}

async function podNames(socketPath: string): Promise<string[]> {
  using client = await ControlClient.connect(socketPath)
  const { pods } = await client.call('Pods', {}, { timeoutMs })
  return pods.map(({ namespace, name }) => `${namespace}/${name}`)
}
