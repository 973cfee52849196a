/**
 * Draws docs/ui.png: five minutes of a made-up node.
 *   npx tsx test/system/ui/picture.ts docs/ui.png [WIDTH HEIGHT [light|dark]]
 */
import { chromium } from 'playwright-core'
import type { PageData } from '../../../src/cli/ui/page-types.ts'
import { findChromium } from './browser.ts'
import { carry, shopPods, shopRequests, shopSelfTest, shopTraffic } from './made-up-node.ts'
import { ServedPage } from './served-page.ts'

const [path = 'ui.png', width = '1200', height = '840', scheme = 'light'] = process.argv.slice(2)
const seconds = 300

/** The traffic of the first `second` seconds, in seconds of the full rate. */
const worth = (second: number): number =>
  second + 3 * Math.sin(second / 14) + 0.5 * Math.sin(second / 4.3)

function at(data: PageData, second: number): PageData {
  const { overview } = data
  const { status, hops } = overview
  const scaled = (bytes: number): number => bytes * (100 + worth(second))
  const totals = {
    ...status.totals,
    redirectedBytes: scaled(status.totals.redirectedBytes),
    tcpBytes: scaled(status.totals.tcpBytes),
  }
  return {
    ...data,
    node: 'node-1',
    atMs: second * 1000,
    overview: {
      ...overview,
      status: { ...status, kernel: '6.12.117', totals },
      hops: hops.map((hop) => ({
        ...hop,
        redirectedBytes: scaled(hop.redirectedBytes),
        tcpBytes: scaled(hop.tcpBytes),
      })),
    },
  }
}

const page = await ServedPage.open(
  shopPods,
  (agent) => {
    carry(agent, shopTraffic, () => 1)
    agent.datapath.measurements = [...shopRequests]
    agent.datapath.selfTest = shopSelfTest
  },
  '--measure',
  'namespaces',
)
const browser = await chromium.launch({
  executablePath: findChromium() ?? '',
  args: ['--no-sandbox'],
})
const tab = await browser.newPage({
  viewport: { width: Number(width), height: Number(height) },
  colorScheme: scheme === 'dark' ? 'dark' : 'light',
})
// Simulates a second of the page in some milliseconds.
await tab.addInitScript(
  'const later = setTimeout; window.setTimeout = (call, ms) => later(call, ms >= 1000 ? 1 : ms)',
)
let second = 0
let drawn = (): void => undefined
const all = new Promise<void>((resolve) => (drawn = resolve))
await tab.route('**/api/overview', async (route) => {
  const response = await route.fetch()
  const data: PageData = await response.json()
  second += 1
  if (second > seconds) {
    drawn()
    return
  }
  await route.fulfill({ json: at(data, second) })
})
await tab.goto(page.url)
await all
await tab.screenshot({ path })
await browser.close()
await page[Symbol.asyncDispose]()
