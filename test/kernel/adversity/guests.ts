/**
 * `npx tsx test/kernel/adversity/guests.ts SUITE SERIES[,FLAVOUR[,MACHINE]] [SCENARIO...]`: runs scenarios in a kernel of Debian
 * or Ubuntu under qemu, as test/system/kernels does. FLAVOUR is `cloud` or `generic`, by default `cloud`. MACHINE is `amd64` or
 * `arm64`, by default `amd64`. `soak:MINUTES` is a scenario, too. Ends with a line `N passed, N failed`.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  closeSync,
  cpSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../../src/lib/package.ts'
import { compile } from '../../helpers/compile.ts'
import { compileForeign } from './foreign.ts'
import type { Check } from './scenario.ts'
import { scenarios } from './scenarios.ts'
import { bundleForGuest, compilers, type Machine, nodeOf } from '../../system/kernels/bundle.ts'
import { skippingVersionForGuest } from './skipping-version.ts'

export interface ToldScenario {
  readonly name: string
  readonly seconds: number
  readonly checks: readonly Check[]
  readonly said: readonly string[]
}

/** The slowdown of an emulated processor and of tests beside it. */
const PATIENCE = '20'

const here = join(packageRoot, 'test/kernel/adversity')
const kernels = join(packageRoot, 'test/system/kernels')
const guest = join(packageRoot, 'build/adversity')

if (import.meta.filename === process.argv[1]) await main(process.argv.slice(2))

async function main([suite = '', kernel = '', ...asked]: string[]): Promise<void> {
  const [series = '', flavour = 'cloud', machine = 'amd64'] = kernel.split(',')
  if (!isMachine(machine)) throw new Error(`there are no guests for ${machine}`)
  if (process.env['MESHACCEL_READY'] !== '1') {
    execFileSync('bash', [join(kernels, 'setup.sh'), machine], { stdio: 'inherit' })
  }
  const names = asked.length === 0 ? runnableOn(machine) : asked
  await makeReady(names, machine)
  const wanted = [suite, series, flavour, machine]
  const fetched = execFileSync('bash', [join(kernels, 'fetch.sh'), ...wanted], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const told = boot(join(packageRoot, fetched.trim()), machine, names)
  const checks = names.flatMap((name) => {
    const found = told.find((each) => each.name === name)
    for (const text of found?.said ?? []) console.log(`# ${name}: ${text}`)
    const all = found?.checks ?? [{ name: 'it is reached', ok: false }]
    return all.map((each) => ({ ...each, name: `${name}: ${each.name}` }))
  })
  for (const { name, ok, detail } of checks) {
    console.log(`${ok ? 'ok' : 'not ok'} - ${name}`)
    if (detail !== undefined) console.log(detail.trimEnd().replace(/^/gm, '# '))
  }
  const failed = checks.filter(({ ok }) => !ok).length
  console.log(`${checks.length - failed} passed, ${failed} failed`)
  process.exitCode = failed > 0 ? 1 : 0
}

function isMachine(word: string): word is Machine {
  return word in compilers
}

/** Scenarios that change the BPF programs build them for amd64 only. */
function runnableOn(machine: Machine): string[] {
  const all = Object.keys(scenarios)
  const runnable = all.filter((name) => machine === 'amd64' || !scenarios[name]?.skips)
  const others = all.filter((name) => !runnable.includes(name))
  if (others.length > 0) console.log(`not run on ${machine}: ${others.join(', ')}`)
  return runnable
}

/** Compiles and bundles the guest's programs: in the guest that would take minutes. */
async function makeReady(names: readonly string[], machine: Machine): Promise<void> {
  for (const left of readdirSync(join(packageRoot, 'build'))) {
    if (left.startsWith('adversity')) {
      rmSync(join(packageRoot, 'build', left), { recursive: true, force: true })
    }
  }
  mkdirSync(guest, { recursive: true })
  for (const file of readdirSync(join(here, 'programs'))) {
    if (!file.endsWith('.c')) continue
    compile(`kernel/adversity/programs/${file}`, file.slice(0, -2), guest, compilers[machine])
  }
  compile('traffic/stress', 'stress', guest, compilers[machine])
  compileForeign(guest)
  await bundleForGuest(join(here, 'guest.ts'), guest)
  for (const name of names) {
    const skips = scenarios[name]?.skips
    if (!skips) continue
    if (machine !== 'amd64') throw new Error(`${name} builds its BPF programs for amd64 only`)
    const version = skippingVersionForGuest(skips, guest)
    cpSync(guest, join(version.directory, 'build/guest'), { recursive: true })
  }
}

/** The guest's report. build/kernels keeps it and the console. */
function boot(kernel: string, machine: Machine, names: readonly string[]): ToldScenario[] {
  const toldFile = `${kernel}.adversity`
  writeFileSync(toldFile, '')
  const screen = openSync(`${kernel}.adversity-console`, 'w')
  const run = [nodeOf(machine), join(guest, 'guest.mjs'), '/dev/told', ...names]
  spawnSync('bash', [join(kernels, 'boot.sh'), kernel, toldFile, ...run], {
    cwd: packageRoot,
    stdio: ['ignore', screen, screen],
    env: { ...process.env, MESHACCEL_PROGRAMS: guest, MESHACCEL_PATIENCE: PATIENCE },
  })
  closeSync(screen)
  const lines = readFileSync(toldFile, 'utf8').split('\n')
  return lines.flatMap((line) => (line.trim() === '' ? [] : [JSON.parse(line)]))
}
