/**
 * `npm run many-flows -- [--flows N] [--pods N] [--seconds N]`: that many connections, joined, and what they cost the
 * agent; each pod's process holds both ends of its share, so it needs twice as many file descriptors.
 */
import { parseArgs } from 'node:util'
import { Mesh } from '../../helpers/mesh.ts'
import { manyFlows } from './many-flows.ts'

const { values } = parseArgs({
  options: {
    flows: { type: 'string', default: '50000' },
    pods: { type: 'string', default: '6' },
    seconds: { type: 'string', default: '20' },
  },
})
const [flows = 0, pods = 0, seconds = 0] = [values.flows, values.pods, values.seconds].map(Number)
if (!(flows > 0 && pods > 0 && seconds > 0) || process.getuid?.() !== 0) {
  console.error('usage, as root: npm run many-flows -- --flows 50000 --pods 6 --seconds 20')
  process.exit(2)
}

const rounded = (_: string, value: unknown): unknown =>
  typeof value === 'number' ? Math.round(value * 10) / 10 : value

const say = (text: string): void => console.error(text)
const interrupted = new Promise<never>((_, reject) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => reject(new Error(`${signal}: what was set up is taken down`)))
  }
})
const undo: (() => unknown)[] = []
try {
  const mesh = await Mesh.make({ teardown: (step) => undo.push(step) }, { pods })
  const report = await Promise.race([manyFlows(mesh, { flows, seconds }, say), interrupted])
  console.log(JSON.stringify(report, rounded, 2))
} catch (error) {
  console.error(error)
  process.exitCode = 1
} finally {
  for (const step of undo.toReversed()) await step()
}
// Exits, because interrupted work would continue.
process.exit()
