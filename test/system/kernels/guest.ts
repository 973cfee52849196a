/**
 * main.ts runs this in each kernel: the self-test, and then the checks of the policy that it allows. Tells of
 * each part into the file of the first argument; runs the arms of the conformance suite that the second one names.
 */
import { spawnSync } from 'node:child_process'
import { appendFileSync } from 'node:fs'
import { joinedArms } from '../../kernel/conformance/comparison.ts'
import { brokenCases, PODS, Suite } from '../../kernel/conformance/suite.ts'
import { cli } from '../../helpers/agent-process.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { soak } from '../soak/soak.ts'
import { hiddenBtf } from './hidden-btf.ts'
import { refusedAgent } from './refused.ts'
import type { Finding, Told } from './told.ts'

const STRESS_SECONDS = 20
const STRESS_RUNS = 5
const [told = '', armsAsked = ''] = process.argv.slice(2)
const arms = joinedArms.filter((arm) => armsAsked.split(',').includes(arm))

const policy = await tell('doctor', doctor)
if (policy === 'refused') {
  await tell('agent', () => inMesh(2, refusedAgent))
} else if (policy !== undefined) {
  await tell('stress', stress)
  await tell('conformance', () => inMesh(PODS, conformance))
  await tell('btf', () => inMesh(2, hiddenBtf))
}

/** Resolves to the policy that the part has found. */
async function tell(
  part: Told['part'],
  work: () => Finding | Promise<Finding>,
): Promise<string | undefined> {
  say(`begins: ${part}`)
  const begin = performance.now()
  const finding = await Promise.resolve()
    .then(work)
    .catch((error: unknown): Finding => ({ error: describe(error) }))
  const seconds = Math.round((performance.now() - begin) / 1000)
  appendFileSync(told, `${JSON.stringify({ part, seconds, ...finding } satisfies Told)}\n`)
  say(`over: ${part}, ${seconds} s`)
  return finding.policy
}

/** For a user who follows the run. */
function say(text: string): void {
  console.error(`${Math.round(performance.now() / 1000)} s: ${text}`)
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  return (error.stack ?? error.message) + (cause === undefined ? '' : `\n${describe(cause)}`)
}

async function inMesh<T>(pods: number, work: (mesh: Mesh) => Promise<T>): Promise<T> {
  await using mesh = await Mesh.make({ teardown: () => undefined }, { pods })
  return await work(mesh)
}

function doctor(): Finding {
  const { stdout, stderr } = spawnSync(process.execPath, [cli, 'doctor', '-o', 'json'], {
    encoding: 'utf8',
  })
  // It exits with 1 if the kernel is refused.
  if (stdout === '') throw new Error(`doctor told nothing: ${stderr}`)
  say(stdout)
  const report: {
    policy: string
    refusedBecause?: string
    probes: { name: string; ok: boolean }[]
  } = JSON.parse(stdout)
  return {
    policy: report.policy,
    ...(report.refusedBecause !== undefined && { refusedBecause: report.refusedBecause }),
    flaws: report.probes.flatMap(({ name, ok }) => (ok ? [] : [name])),
  }
}

async function conformance(mesh: Mesh): Promise<Finding> {
  const suite = new Suite(mesh, say)
  const plain = await suite.plain()
  const found = await suite.compare(plain, { arms })
  return { policy: found.policy, cases: found.cases, broken: brokenCases(plain) }
}

/** On a slow guest a run may be over before anything has joined. Then there is another one. */
async function stress(): Promise<Finding> {
  for (let run = 1; run <= STRESS_RUNS; run += 1) {
    const seed = Math.floor(Math.random() * 2 ** 31)
    say(`seed ${seed}`)
    const report = await inMesh(2, (mesh) => soak(mesh, seed, STRESS_SECONDS, say))
    if (report.leaks.length > 0) throw new Error(`left behind: ${report.leaks.join('; ')}`)
    if (report.redirectedBytes === 0n) continue
    const actions = Object.values(report.actions).reduce((sum, count) => sum + count, 0)
    return {
      done: `${actions} actions, ${report.connections} connections, ${report.checkedBytes} bytes compared, ${report.redirectedBytes} redirected`,
    }
  }
  throw new Error(`nothing was redirected in ${STRESS_RUNS} runs`)
}
