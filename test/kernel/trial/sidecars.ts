/**
 * `npx tsx test/kernel/trial/sidecars.ts [CASE...]`: trials of two pods with HAProxy sidecars, under the load and with the agent
 * of `meshaccel bench`. Takes a quarter of an hour on a machine with nothing else to do. The cases:
 *
 * - `gains`: the trial must gain, and its intervals must overlap those of bench. Latencies are left out: bench takes those of
 *   its load generator, the trial those of the kernel.
 * - `excluded`: a rule keeps all connections on TCP. There must be no difference, which takes a longer trial to be sure of.
 * - `loses`: the verdict wastes time at each send, so that requests cost some 20 % more than by TCP.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Comparison } from '../../../bench/report.ts'
import { range } from '../../../bench/report/text.ts'
import { ControlClient } from '../../../src/api/client.ts'
import type { TrialOutcome } from '../../../src/cli/trial/outcome.ts'
import type { RatioInterval } from '../../../src/lib/paired-ratio.ts'
import { cli as ours } from '../../helpers/agent-process.ts'
import { AnotherVersion, withSlowVerdict } from '../../helpers/another-version.ts'
import { runCommand } from '../../helpers/cli-run.ts'
import { until } from '../../helpers/retry.ts'

const CONNECTIONS = 16
const LOAD = ['--payload', '81', '--connections', String(CONNECTIONS)]
/** Seconds. A trial of 90 has some 30 windows. */
const TRIAL = 90
const LONG_TRIAL = 300
/** Seconds. A load lasts longer than a trial by these. It is ended after it. */
const LOADED_LONGER = 50
const WASTED_TURNS = Number(process.env['WASTED_TURNS'] ?? 6_500)

const cases: Readonly<Record<string, () => Promise<boolean>>> = {
  gains: async () => {
    const { ratios, verdict } = await trial(ours)
    const bench = comparison()
    const agree = [
      overlap('requests per second', ratios.requests, bench?.qpsRatio),
      overlap('CPU per request', ratios.cpu, bench?.cpuRatio),
    ]
    return verdict === 'gains' && agree.every(Boolean)
  },
  excluded: async () => {
    const line = 'exclude: {ports: [1-65535]}'
    const { redirectedShare, verdict } = await trial(ours, { line, seconds: LONG_TRIAL })
    return redirectedShare === 0 && verdict === 'no-difference'
  },
  loses: async () => {
    using slower = new AnotherVersion(withSlowVerdict(WASTED_TURNS))
    return (await trial(slower.cli)).verdict === 'loses'
  },
}

const asked = process.argv.slice(2)
for (const name of asked.length > 0 ? asked : Object.keys(cases)) {
  console.log(`${name}:`)
  const right = await cases[name]?.()
  console.log(right === true ? `${name}: as expected` : `${name}: NOT as expected`)
  if (right !== true) process.exitCode = 1
}

/** A trial of the pods of a bench, with a line for each of these pods in the pods file. */
async function trial(
  cli: string,
  { line, seconds = TRIAL }: { line?: string; seconds?: number } = {},
): Promise<TrialOutcome> {
  const duration = `${seconds + LOADED_LONGER}s`
  const args = ['bench', ...LOAD, '--modes', 'meshaccel', '--rounds', '1', '--duration', duration]
  const bench = spawn(process.execPath, [cli, ...args], { stdio: 'ignore' })
  const ended = once(bench, 'close')
  try {
    const socket = await until('the agent of the bench listens', () => socketOf(bench))
    if (line !== undefined) addToPods(socket, line)
    await until('the load runs', () => isLoaded(socket))
    const length = ['--for', `${seconds}s`, '--window', '3s']
    const command = ['trial', 'bench', ...length, '--socket', socket, '-o', 'json']
    const { code, stdout, stderr } = await runCommand(command)
    if (code !== 0) throw new Error(stderr)
    const outcome: TrialOutcome = JSON.parse(stdout)
    const share = Math.round(outcome.redirectedShare * 100)
    console.log(`trial: ${outcome.verdict}, ${share} % of the bytes redirected`)
    for (const [figure, ratio] of Object.entries(outcome.ratios)) {
      console.log(`trial: ${figure} ${text(ratio)}`)
    }
    return outcome
  } finally {
    bench.kill('SIGINT')
    await ended
  }
}

function socketOf({ pid, exitCode }: ChildProcess): string | undefined {
  if (exitCode !== null) throw new Error('the bench has ended')
  const name = readdirSync(tmpdir()).find((each) => each.startsWith(`meshbench-${pid}-`))
  if (name === undefined) return undefined
  const inside = readdirSync(join(tmpdir(), name), { recursive: true, encoding: 'utf8' })
  const socket = inside.find((each) => /agent-[^/]*\.sock$/.test(each))
  return socket && join(tmpdir(), name, socket)
}

/** The agent reads the file again when it changes. */
function addToPods(socket: string, line: string): void {
  const file = socket.replace(/agent-(.*)\.sock$/, 'pods-$1.yaml')
  const pods = readFileSync(file, 'utf8')
  writeFileSync(file, pods.replaceAll('    enabled: true\n', `    enabled: true\n    ${line}\n`))
}

async function isLoaded(socket: string): Promise<boolean> {
  using client = await ControlClient.connect(socket)
  let flows = 0
  for await (const chunk of client.flows()) flows += chunk.length
  return flows > CONNECTIONS
}

function comparison(): Comparison | undefined {
  const args = ['bench', ...LOAD, '--modes', 'iptables,meshaccel', '--time-limit', '100s']
  const run = spawnSync(process.execPath, [ours, ...args, '-o', 'json'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const report: { readonly comparisons: readonly Comparison[] } = JSON.parse(run.stdout)
  return report.comparisons.find(
    ({ mode, baseline }) => mode === 'meshaccel' && baseline === 'iptables',
  )
}

function overlap(figure: string, of: RatioInterval | undefined, bench: RatioInterval | undefined) {
  if (of === undefined || bench === undefined) return false
  console.log(`bench: ${figure} ${text(bench)}`)
  return of.low <= bench.high && bench.low <= of.high
}

function text(ratio: RatioInterval): string {
  return `${ratio.median.toFixed(3)} ${range(ratio, 3)}`
}
