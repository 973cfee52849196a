/**
 * `npm run test:kernels -- [WORD...]`: boots Debian's kernels under qemu, which needs no KVM. Each must earn its policy. Each must behave in guest.ts as this machine's kernel does, apart from what test/kernel/conformance/elsewhere.ts knows. WORDs choose
 * lines of the matrix: by suite, series or policy. Ends with a table and a line `N passed, N failed`.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { packageRoot } from '../../../src/lib/package.ts'
import { documentedVerdicts } from '../../kernel/conformance/documented.ts'
import { compile } from '../../helpers/compile.ts'
import { bundleForGuest } from './bundle.ts'
import { judge, summary } from './judge.ts'
import { type Entry, matrix } from './matrix.ts'
import type { Told } from './told.ts'

/** Leaves out `trusted`: it tests what the proof protects from, and that code is the same on every kernel. */
const ARMS = 'joined,mid'
/** The slowdown of an emulated processor and of tests beside it. */
const PATIENCE = '5'

const here = join(packageRoot, 'test/system/kernels')
const programs = join(packageRoot, 'build/kernels/guest')
const documented = documentedVerdicts(readFileSync(join(packageRoot, 'docs/SEMANTICS.md'), 'utf8'))

execFileSync('bash', [join(here, 'setup.sh')], { stdio: 'inherit' })
rmSync(programs, { recursive: true, force: true })
mkdirSync(programs, { recursive: true })
compile('kernel/conformance/probe', 'probe', programs)
compile('traffic/stress', 'stress', programs)
await bundleForGuest(join(here, 'guest.ts'), programs)

console.log(`not run in the guests: the arm trusted of the conformance suite`)
const words = process.argv.slice(2)
const chosen = matrix.filter(
  ({ suite, series, policy }) =>
    words.length === 0 || words.some((word) => [suite, series, policy].includes(word)),
)
const table: string[] = []
const counts = { passed: 0, failed: 0 }
for (const entry of chosen) test(entry)
console.log(table.join('\n'))
console.log(`${counts.passed} passed, ${counts.failed} failed`)
process.exitCode = counts.failed > 0 || chosen.length === 0 ? 1 : 0

function test(entry: Entry): void {
  const { suite, series, policy } = entry
  const fetched = spawnSync('bash', [join(here, 'fetch.sh'), suite, series], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (fetched.status !== 0) return report(`${suite}: a kernel ${series} to boot`, false)
  const kernel = fetched.stdout.trim()
  const release = basename(kernel)
  const begin = performance.now()
  const { told, output } = boot(kernel)
  const seconds = Math.round((performance.now() - begin) / 1000)
  const checks = judge({ release, policy }, told, documented)
  for (const { name, ok, detail } of checks) report(`${release}: ${name}`, ok, detail)
  if (checks.some(({ ok }) => !ok)) console.log(commented(output))
  const failed = checks.filter(({ ok }) => !ok).length
  const result = failed === 0 ? `${checks.length} checks` : `${failed} of ${checks.length} FAILED`
  table.push(`${summary({ release, policy }, told)} | ${result} | ${seconds} s`)
}

/** The guest's report and its console; build/kernels keeps both. */
function boot(kernel: string): { told: Told[]; output: string } {
  const toldFile = `${kernel}.told`
  const consoleFile = `${kernel}.console`
  writeFileSync(toldFile, '')
  const screen = openSync(consoleFile, 'w')
  const guest = [process.execPath, join(programs, 'guest.mjs'), '/dev/ttyS1', ARMS]
  spawnSync('bash', [join(here, 'boot.sh'), kernel, toldFile, ...guest], {
    cwd: packageRoot,
    stdio: ['ignore', screen, screen],
    env: { ...process.env, MESHACCEL_PROGRAMS: programs, MESHACCEL_PATIENCE: PATIENCE },
  })
  closeSync(screen)
  const lines = readFileSync(toldFile, 'utf8').split('\n')
  return {
    told: lines.flatMap((line) => (line.trim() === '' ? [] : [JSON.parse(line)])),
    output: readFileSync(consoleFile, 'utf8'),
  }
}

function report(name: string, ok: boolean, detail?: string): void {
  counts[ok ? 'passed' : 'failed'] += 1
  console.log(`${ok ? 'ok' : 'not ok'} - ${name}`)
  if (detail !== undefined) console.log(commented(detail))
}

function commented(text: string): string {
  return text.trimEnd().replace(/^/gm, '# ')
}
