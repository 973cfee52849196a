/**
 * `npm run churn -- --pods N --rate N --namespaces N --seconds N --cni PERCENT [--seed N] [--node-options=OPTIONS]`:
 * pods come and go on a node with a real agent and real network namespaces, and what that costs the agent. Exits 1 if that
 * is more than promised, which says something on a machine that has nothing else to do.
 */
import { parseArgs } from 'node:util'
import { bars } from './bars.ts'
import { churn } from './churn.ts'

const { values } = parseArgs({
  options: {
    pods: { type: 'string', default: '250' },
    rate: { type: 'string', default: '10' },
    namespaces: { type: 'string', default: '5000' },
    seconds: { type: 'string', default: '40' },
    cni: { type: 'string', default: '50' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    'node-options': { type: 'string', default: '' },
  },
})
const { pods, rate, namespaces, seconds, cni, seed } = values
const numbers = [pods, rate, namespaces, seconds, cni, seed].map(Number)
if (!numbers.every((value) => value >= 0) || process.getuid?.() !== 0) {
  console.error(
    'usage, as root: npm run churn -- --pods 250 --rate 10 --namespaces 5000 --seconds 60',
  )
  process.exit(2)
}

const rounded = (_: string, value: unknown): unknown =>
  typeof value === 'number' ? Math.round(value * 100) / 100 : value

const options = {
  pods: Number(pods),
  rate: Number(rate),
  namespaces: Number(namespaces),
  seconds: Number(seconds),
  cniPercent: Number(cni),
  seed: Number(seed),
  nodeOptions: values['node-options'].split(' ').filter(Boolean),
}
try {
  const report = await churn(options, (text) => console.error(text))
  console.log(JSON.stringify({ ...options, ...report }, rounded, 2))
  for (const { what, holds } of bars(report, options)) {
    console.error(`${holds ? 'holds' : 'MISSED'}: ${what}`)
    if (!holds) process.exitCode = 1
  }
} catch (error) {
  console.error(error)
  console.error(`failed with --seed ${seed}`)
  process.exitCode = 1
}
