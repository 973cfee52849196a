/**
 * `npm run soak -- --minutes N [--seed N] [--verbose]`: random traffic, path changes, toggles and restarts for two thirds
 * of the time; then the scenarios of test/kernel/adversity in random order.
 */
import { parseArgs } from 'node:util'
import { play } from '../../kernel/adversity/scenario.ts'
import { scenarios } from '../../kernel/adversity/scenarios.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { Random } from './random.ts'
import { soak } from './soak.ts'

/** Runs scenarios until the time is over, at least one. Returns how often each ran. Throws if one fails. */
async function adversity(
  seed: number,
  untilMs: number,
  say: (text: string) => void,
): Promise<Readonly<Record<string, number>>> {
  const random = new Random(seed)
  const all = Object.entries(scenarios).filter(
    ([, { guestOnly, byNameOnly }]) => !guestOnly && byNameOnly === undefined,
  )
  const played: Record<string, number> = {}
  let left: typeof all = []
  do {
    if (left.length === 0) left = all
    const picked = random.pick(left)
    const [name, scenario] = picked
    left = left.filter((each) => each !== picked)
    say(name)
    const failed = (await play(scenario, say)).filter(({ ok }) => !ok)
    if (failed.length > 0) {
      throw new Error(
        `${name}: ${failed.map(({ name: check, detail }) => `${check} (${detail})`).join('; ')}`,
      )
    }
    played[name] = (played[name] ?? 0) + 1
  } while (performance.now() < untilMs)
  return played
}

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
  const untilMs = performance.now() + seconds * 1000
  const mesh = await Mesh.make({ teardown: (step) => undo.push(step) })
  const say = (text: string): void => (values.verbose ? console.error(text) : undefined)
  const report = await soak(mesh, seed, (seconds * 2) / 3, say)
  console.log(
    JSON.stringify(report, (_, value) => (typeof value === 'bigint' ? Number(value) : value), 2),
  )
  if (report.leaks.length > 0) throw new Error(`left behind: ${report.leaks.join('; ')}`)
  console.log(JSON.stringify({ adversity: await adversity(seed, untilMs, say) }, undefined, 2))
} catch (error) {
  console.error(error)
  console.error(`failed with --seed ${seed}`)
  process.exitCode = 1
} finally {
  for (const step of undo.toReversed()) await step()
}
