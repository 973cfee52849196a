/** `npm run soak -- --minutes N [--seed N] [--verbose]`: random traffic, path changes, toggles and restarts. */
import { parseArgs } from 'node:util'
import { Mesh } from '../helpers/mesh.ts'
import { soak } from './soak.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    verbose: { type: 'boolean', default: false },
  },
})
const seed = Number(values.seed)
const seconds = Number(values.minutes) * 60
if (!Number.isInteger(seed) || !(seconds > 0) || process.getuid?.() !== 0) {
  console.error('usage, as root: npm run soak -- --minutes N [--seed N] [--verbose]')
  process.exit(2)
}

console.log(`seed ${seed}`)
const undo: (() => unknown)[] = []
try {
  const mesh = await Mesh.make({ teardown: (step) => undo.push(step) })
  const say = (text: string): void => (values.verbose ? console.error(text) : undefined)
  const report = await soak(mesh, seed, seconds, say)
  console.log(
    JSON.stringify(report, (_, value) => (typeof value === 'bigint' ? Number(value) : value), 2),
  )
  if (report.leaks.length > 0) throw new Error(`left behind: ${report.leaks.join('; ')}`)
} catch (error) {
  console.error(error)
  console.error(`failed with --seed ${seed}`)
  process.exitCode = 1
} finally {
  for (const step of undo.toReversed()) await step()
}
