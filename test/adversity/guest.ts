/** Runs, in a guest, the scenarios whose names follow the file that hears of them. */
import { appendFileSync } from 'node:fs'
import { play } from './scenario.ts'
import { scenarios } from './scenarios.ts'
import type { ToldScenario } from './guests.ts'

const [told = '', ...names] = process.argv.slice(2)
for (const name of names) {
  const scenario = scenarios[name]
  if (!scenario) throw new Error(`there is no scenario ${name}`)
  const begin = performance.now()
  const said: string[] = []
  const checks = await play(scenario, (text) => {
    console.error(`${Math.round(performance.now() / 1000)} s: ${text}`)
    said.push(text)
  })
  const seconds = Math.round((performance.now() - begin) / 1000)
  const line: ToldScenario = { name, seconds, checks, said }
  appendFileSync(told, `${JSON.stringify(line)}\n`)
}
