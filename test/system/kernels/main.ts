/**
 * `npm run test:kernels -- [WORD...]`: boots kernels of Debian and Ubuntu under qemu, which needs no KVM. Each must earn its
 * policy. Each must behave in guest.ts as this machine's kernel does, apart from what test/kernel/conformance/elsewhere.ts
 * knows. WORDs choose kernels: by distribution, suite, series, flavour, machine or policy. `6.12,arm64` takes those that
 * both words fit. Ends with a table and a line `N passed, N failed`.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type BootedKernel, bootedKernels } from '../../../src/datapath/selftest/booted-kernels.ts'
import { packageRoot } from '../../../src/lib/package.ts'
import { Progress } from '../../../src/lib/progress.ts'
import { documentedVerdicts } from '../../kernel/conformance/documented.ts'
import { compile } from '../../helpers/compile.ts'
import { bundleForGuest, compilers, type Machine, nodeOf } from './bundle.ts'
import { judge, summary } from './judge.ts'
import type { Told } from './told.ts'

/** Leaves out `trusted`: it tests what the proof protects from, and that code is the same on every kernel. */
const ARMS = 'joined,mid'
/** The slowdown of an emulated processor and of tests beside it. */
const patience = { amd64: '5', arm64: '20' } as const

const here = join(packageRoot, 'test/system/kernels')
const documented = documentedVerdicts(readFileSync(join(packageRoot, 'docs/SEMANTICS.md'), 'utf8'))
const words = process.argv.slice(2)
const chosen = bootedKernels.filter(
  (kernel) => words.length === 0 || words.some((word) => fits(kernel, word)),
)
const machines = new Set(chosen.map(({ machine }) => machine))

execFileSync('bash', [join(here, 'setup.sh'), ...machines], { stdio: 'inherit' })
for (const machine of machines) await makePrograms(machine)

console.log(`not run in the guests: the arm trusted of the conformance suite`)
const table: string[] = []
const counts = { passed: 0, failed: 0 }
using progress = new Progress(process.stderr, { prefix: 'kernels: ' })
for (const [index, entry] of chosen.entries()) await test(entry, index)
progress.clear()
console.log(table.join('\n'))
console.log(`${counts.passed} passed, ${counts.failed} failed`)
process.exitCode = counts.failed > 0 || chosen.length === 0 ? 1 : 0

function fits(kernel: BootedKernel, word: string): boolean {
  const { distribution, suite, series, flavour, machine, policy } = kernel
  const known: readonly string[] = [distribution, suite, series, flavour, machine, policy]
  return word.split(',').every((part) => known.includes(part))
}

function programsOf(machine: Machine): string {
  return join(packageRoot, 'build/kernels', `guest-${machine}`)
}

/** Builds what a guest runs: it would take minutes there. */
async function makePrograms(machine: Machine): Promise<void> {
  const programs = programsOf(machine)
  rmSync(programs, { recursive: true, force: true })
  mkdirSync(programs, { recursive: true })
  const compiler = compilers[machine]
  compile('kernel/conformance/probe', 'probe', programs, compiler)
  compile('traffic/stress', 'stress', programs, compiler)
  await bundleForGuest(join(here, 'guest.ts'), programs)
}

async function test(
  { suite, series, flavour, machine, policy }: BootedKernel,
  index: number,
): Promise<void> {
  // It tells by itself how the fetching goes.
  progress.clear()
  const fetched = spawnSync('bash', [join(here, 'fetch.sh'), suite, series, flavour, machine], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (fetched.status !== 0) {
    return report(`${suite}: a kernel ${series} ${flavour} for ${machine} to boot`, false)
  }
  const kernel = fetched.stdout.trim()
  const release = basename(kernel)
  const begin = performance.now()
  const place = `kernel ${index + 1} of ${chosen.length}, ${release} for ${machine}`
  progress.show(() => ({
    what: place,
    share: index / chosen.length,
    figures: `${counts.passed} checks passed, ${counts.failed} failed`,
  }))
  const { told, output } = await boot(kernel, machine)
  const seconds = Math.round((performance.now() - begin) / 1000)
  const checks = judge({ release, policy }, told, documented)
  for (const { name, ok, detail } of checks) report(`${release}: ${name}`, ok, detail)
  if (checks.some(({ ok }) => !ok)) console.log(commented(output))
  const failed = checks.filter(({ ok }) => !ok).length
  const result = failed === 0 ? `${checks.length} checks` : `${failed} of ${checks.length} FAILED`
  progress.done(`${place}: ${result}, ${seconds} s`)
  table.push(`${summary({ release, policy }, told)} | ${result} | ${seconds} s`)
}

/** The guest's report and its console; build/kernels keeps both. */
async function boot(kernel: string, machine: Machine): Promise<{ told: Told[]; output: string }> {
  const toldFile = `${kernel}.told`
  const consoleFile = `${kernel}.console`
  writeFileSync(toldFile, '')
  const screen = openSync(consoleFile, 'w')
  const programs = programsOf(machine)
  const guest = [nodeOf(machine), join(programs, 'guest.mjs'), '/dev/told', ARMS]
  const child = spawn('bash', [join(here, 'boot.sh'), kernel, toldFile, ...guest], {
    cwd: packageRoot,
    stdio: ['ignore', screen, screen],
    env: { ...process.env, MESHACCEL_PROGRAMS: programs, MESHACCEL_PATIENCE: patience[machine] },
  })
  await once(child, 'close')
  closeSync(screen)
  const lines = readFileSync(toldFile, 'utf8').split('\n')
  return {
    told: lines.flatMap((line) => (line.trim() === '' ? [] : [JSON.parse(line)])),
    output: readFileSync(consoleFile, 'utf8'),
  }
}

function report(name: string, ok: boolean, detail?: string): void {
  counts[ok ? 'passed' : 'failed'] += 1
  progress.clear()
  console.log(`${ok ? 'ok' : 'not ok'} - ${name}`)
  if (detail !== undefined) console.log(commented(detail))
}

function commented(text: string): string {
  return text.trimEnd().replace(/^/gm, '# ')
}
