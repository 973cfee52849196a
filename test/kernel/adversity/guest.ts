/** Runs scenarios in a guest: `guest REPORT SCENARIO...`; `soak:MINUTES` is one of them. */
import { appendFileSync } from 'node:fs'
import { Mesh } from '../../helpers/mesh.ts'
import { soak } from '../../system/soak/soak.ts'
import { type Check, play } from './scenario.ts'
import { scenarios } from './scenarios.ts'
import type { ToldScenario } from './guests.ts'

const [told = '', ...names] = process.argv.slice(2)
for (const name of names) {
  const begin = performance.now()
  const said: string[] = []
  const say = (text: string): void => {
    console.error(`${Math.round(performance.now() / 1000)} s: ${text}`)
    said.push(text)
  }
  const checks = await run(name, say)
  const seconds = Math.round((performance.now() - begin) / 1000)
  const line: ToldScenario = { name, seconds, checks, said }
  appendFileSync(told, `${JSON.stringify(line)}\n`)
}

function run(name: string, say: (text: string) => void): Promise<readonly Check[]> {
  const [, minutes] = /^soak:(\d+)$/.exec(name) ?? []
  if (minutes !== undefined) return runSoak(Number(minutes) * 60, say)
  const scenario = scenarios[name]
  if (!scenario) throw new Error(`there is no scenario ${name}`)
  return play(scenario, say)
}

async function runSoak(seconds: number, say: (text: string) => void): Promise<readonly Check[]> {
  const seed = Math.floor(Math.random() * 2 ** 31)
  const undo: (() => unknown)[] = []
  try {
    const mesh = await Mesh.make({ teardown: (step) => undo.push(step) })
    const {
      leaks,
      before: _before,
      after: _after,
      ...report
    } = await soak(mesh, seed, seconds, console.error)
    say(JSON.stringify(report, (_, value) => (typeof value === 'bigint' ? Number(value) : value)))
    const detail = leaks.length > 0 && { detail: leaks.join('; ') }
    return [{ name: 'nothing is left behind', ok: leaks.length === 0, ...detail }]
  } catch (error) {
    const detail = `seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`
    return [{ name: 'it comes to its end', ok: false, detail }]
  } finally {
    for (const step of undo.toReversed()) await step()
  }
}
