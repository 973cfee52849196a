import axe, { type AxeResults } from 'axe-core'
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core'
import { test, type Test } from 'tap'
import type { PodEntry } from '../../helpers/running-agent.ts'
import { launchBrowser } from './browser.ts'
import {
  carry,
  pod,
  shopPods,
  shopRequests,
  shopSelfTest,
  shopTraffic,
  type Traffic,
} from './made-up-node.ts'
import { ServedPage } from './served-page.ts'

/** The time limit of conditions, for slow machines. */
const patienceMs = 30_000

/** A tab with the page. Nothing may go wrong in it: no error, no message, no violation of the policy, no other host. */
class Tab implements AsyncDisposable {
  readonly page: Page
  /** Chromium's own messages about the test's provocations. */
  provoked: RegExp | undefined
  readonly #t: Test
  readonly #wrong: string[] = []

  private constructor(t: Test, page: Page, url: string) {
    this.#t = t
    this.page = page
    const wrong = this.#wrong
    page.on('console', (message) => {
      const text = message.text()
      if (!this.provoked?.test(text)) wrong.push(`console: ${text}`)
    })
    page.on('pageerror', (error) => wrong.push(`error: ${String(error)}`))
    page.on('dialog', (dialog) => wrong.push(`dialog: ${dialog.message()}`))
    page.on('request', (request) => {
      if (!request.url().startsWith(url)) wrong.push(`asks ${request.url()}`)
    })
  }

  static async open(
    t: Test,
    browser: Browser,
    url: string,
    options: BrowserContextOptions = {},
  ): Promise<Tab> {
    const context = await browser.newContext(options)
    context.setDefaultTimeout(patienceMs)
    const tab = new Tab(t, await context.newPage(), url)
    await tab.page.goto(url)
    return tab
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.context().close()
    this.#t.strictSame(this.#wrong, [], 'nothing went wrong in the tab')
  }
}

/** Waits for an element with a matching text. */
async function sees(t: Test, element: Locator, text: RegExp): Promise<void> {
  const found = element.filter({ hasText: text }).first()
  try {
    await found.waitFor()
    t.pass(String(text))
  } catch {
    t.fail(`${String(text)} is not seen`, { found: await element.allTextContents() })
  }
}

const headline = (tab: Page): Locator => tab.locator('h1')

/** The findings of axe: labels, roles, names, order of headings, contrast. */
async function barriers(tab: Page): Promise<string[]> {
  await tab.evaluate(axe.source)
  const found = await tab.evaluate<AxeResults>('axe.run()')
  return found.violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`),
  )
}

void test('the page in Chromium', async (whole) => {
  const browser = await launchBrowser(whole)
  if (!browser) return

  await whole.test('a busy node: what is fast, what is not, and why', async (t) => {
    const start = performance.now()
    const prepare = (agent: ServedPage['agent']): void => {
      carry(agent, shopTraffic, () => 60 + (performance.now() - start) / 1000)
      const evidence = { readerPid: 4_194_303, readerComm: 'odd-reader', reason: 'splice' }
      agent.datapath.quarantine = [{ netnsCookie: 10n, ...evidence }]
      agent.datapath.measurements = [...shopRequests]
      agent.datapath.selfTest = shopSelfTest
    }
    await using page = await ServedPage.open(shopPods, prepare, '--measure', 'namespaces')
    await using opened = await Tab.open(t, browser, page.url)
    const tab = opened.page
    await sees(t, headline(tab), /^Accelerating: 94 % of bytes on the fast path$/)
    await sees(t, tab.locator('#subline'), /^11 of 14 pods enrolled · 335 connections, 300 of them/)
    await sees(t, tab.locator('#subline'), /MiB\/s in all$/)
    t.match(await tab.title(), /^94 % fast · /)
    await sees(t, tab.locator('#pulse'), /^live$/)
    await sees(
      t,
      tab.locator('#traffic-words'),
      /^Now 1\d\d MiB\/s fast and \d\.\d MiB\/s by TCP; so far /,
    )

    const rows = tab.locator('#pods tbody tr')
    t.equal(await rows.count(), 12, 'enrolled pods, and elsewhere')
    await sees(t, rows, /^shop\/frontend-\w+94 %\d+ MiB\/s132$/)
    await sees(t, rows.last(), /^elsewhere0 %2\.\d MiB\/s25$/)
    t.equal(await tab.locator('#lines path.fast').count(), 19)
    await sees(t, tab.locator('#reasons li'), /^8 connections: it is a stream of small/)
    await sees(
      t,
      tab.locator('#quarantined li'),
      /^odd-reader of accounts\/profile-\w+ is quarantined/,
    )
    await sees(t, tab.locator('#proven'), /^\d+ of \d+ receiving ends have proven/)
    await sees(t, tab.locator('#policy'), /^Policy strict: every proven reader/)
    const failed = tab.locator('#probes-failed li')
    t.equal(await failed.count(), 3)
    await sees(t, failed.first(), /^For information: splice does not find .*never join\.splice$/)
    await sees(t, failed.nth(1), /^At best strict: FIONREAD does not count a member's TCP bytes/)
    const probes = tab.locator('#probes tbody tr')
    t.equal(await probes.count(), 15)
    await tab.locator('#probes summary').click()
    await sees(t, probes, /^late-joina running connection joins, and its bytes arriveok$/)
    await sees(t, probes, /^splicesplice does not find redirected bytesnote$/)
    t.equal(await tab.locator('#probes-none').isVisible(), false)

    const latencies = tab.locator('#latency tbody tr')
    await sees(
      t,
      latencies.first(),
      /^shop to shophalf within 54 µs99 % within 186 µs, mean 62 µs124,693 requestshalf within 104 µs99 % within 443 µs, mean 123 µs4,331 requests$/,
    )
    await sees(t, latencies, /^shop to accountshalf within \d+ µs.*µs5,600 requestsnone$/)
    await sees(t, latencies.last(), /^shop to unknownnonehalf within 1\.\d ms/)
    await sees(t, tab.locator('#latency-note'), /^From a client's send .* what the server does is/)
    await sees(t, tab.locator('#others li'), /^1 pod: it has no sidecar.*Inject.*batch\/ledger-0/)
    t.equal(await tab.locator('#advice').isVisible(), false, 'there is nothing to advise')

    // By keyboard: the hops of a pod, its connections, and back.
    await tab.getByRole('button', { name: /^observe\/collector-0$/ }).focus()
    await tab.keyboard.press('Enter')
    await sees(t, tab.locator('#hops-of'), /^Of observe\/collector-0;/)
    const hops = tab.locator('#hops > tbody')
    t.equal(await hops.count(), 2)
    t.ok((await tab.locator('#lines path.dim').count()) > 15, 'the others step back')
    await hops.first().getByRole('button').focus()
    await tab.keyboard.press('Enter')
    t.equal(await hops.first().getByRole('button').getAttribute('aria-expanded'), 'true')
    const flows = hops.first().locator('.flows li')
    await sees(t, flows, /^10\.0\.0\.4:\d+ → 10\.0\.0\.10:8080 both ways TCP \(it is a stream/)
    t.equal(await flows.count(), 5)
    t.strictSame(await barriers(tab), [])
    await tab.keyboard.press('Escape')
    await tab.locator('#hops-of').waitFor({ state: 'hidden' })
    await tab.getByRole('button', { name: /^Show 9 more of 24$/ }).click()
    t.equal(await hops.count(), 24)
  })

  await whole.test(
    'narrow and wide, light and dark, nothing is cut off or hard to read',
    async (t) => {
      await using page = await ServedPage.open(shopPods, (agent) =>
        carry(agent, shopTraffic, () => 60),
      )
      for (const width of [375, 1600]) {
        for (const colorScheme of ['light', 'dark'] as const) {
          const viewport = { width, height: 800 }
          await using opened = await Tab.open(t, browser, page.url, { viewport, colorScheme })
          const tab = opened.page
          await tab.locator('#pods tbody tr').first().waitFor()
          const over = await tab.evaluate<number>(
            'document.documentElement.scrollWidth - document.documentElement.clientWidth',
          )
          t.equal(over, 0, `${width} px need no scrolling sideways`)
          t.strictSame(await barriers(tab), [], `${width} px, ${colorScheme}`)
        }
      }
    },
  )

  await whole.test('names that others chose are text', async (t) => {
    const evil = '<img src=x onerror=alert(1)>'
    await using page = await ServedPage.open([pod('shop', 'cart-0', 0)], (agent) => {
      carry(agent, [{ from: 0, to: 0, connections: 1, fast: 0, tcp: 9000, reason: evil }], () => 9)
      const survey = agent.datapath.survey.bind(agent.datapath)
      agent.datapath.survey = async () => {
        const seen = await survey()
        return { ...seen, counters: { ...seen.counters, reasons: { [evil]: 3n } } }
      }
      const [request] = shopRequests
      if (request) agent.datapath.measurements = [{ ...request, source: evil, destination: evil }]
      agent.datapath.selfTest = { [evil]: false }
      const program = { readerPid: 4_194_303, readerComm: evil, reason: evil }
      agent.datapath.quarantine = [{ netnsCookie: 1n, ...program }]
    })
    await using opened = await Tab.open(t, browser, page.url)
    const tab = opened.page
    // A pods file refuses such names. A program that answers in place of an agent may send them.
    await tab.route('**/api/overview', async (route) => {
      const response = await route.fetch()
      const text = await response.text()
      await route.fulfill({ response, body: text.replaceAll('cart-0', `cart-0${evil}`) })
    })
    await sees(t, tab.locator('#pods tbody th'), /^shop\/cart-0<img src=x onerror=alert\(1\)>$/)
    await sees(
      t,
      tab.locator('#hops tbody th'),
      /^shop\/cart-0<img src=x onerror=alert\(1\)> within/,
    )
    await sees(t, tab.locator('#reasons li'), /^1 connection: <img src=x/)
    await sees(
      t,
      tab.locator('#quarantined li'),
      /^<img src=x onerror=alert\(1\)> of shop\/cart-0<img/,
    )
    await tab.locator('#counted summary').click()
    await sees(t, tab.locator('#counted tbody th'), /^<img src=x/)
    await sees(t, tab.locator('#latency tbody th'), /^<img src=x .*> to <img src=x/)
    await sees(t, tab.locator('#probes-failed li'), /<img src=x onerror=alert\(1\)>$/)
    t.equal(await tab.locator('img, iframe, object').count(), 0)
    opened.provoked = /requires 'TrustedHTML'/
    const refused = await tab.evaluate<string>(
      `try { document.body.innerHTML = '<b>'; 'taken' } catch ({ name }) { name }`,
    )
    t.equal(refused, 'TypeError', 'and the browser would refuse anything else')
  })

  await whole.test('a node that accelerates nothing says why, and what to do', async (t) => {
    const says = async (
      pods: readonly PodEntry[],
      prepare: Parameters<typeof ServedPage.open>[1],
      expected: RegExp,
      advice: RegExp,
    ): Promise<void> => {
      await using page = await ServedPage.open(pods, prepare)
      await using opened = await Tab.open(t, browser, page.url)
      const tab = opened.page
      await sees(t, headline(tab), expected)
      await sees(t, tab.locator('#advice'), advice)
      t.strictSame(await barriers(tab), [])
    }
    await using silent = await ServedPage.open(
      shopPods,
      ({ datapath }) => {
        datapath.selfTest = {}
      },
      '--measure',
      'off',
    )
    await using unmeasured = await Tab.open(t, browser, silent.url)
    await sees(
      t,
      unmeasured.page.locator('#latency-note'),
      /^Not measured\. .*--measure namespaces/,
    )
    t.equal(await unmeasured.page.locator('#latency').isVisible(), false)
    await sees(
      t,
      unmeasured.page.locator('#probes-none'),
      /It did not run: the agent was told its policy/,
    )
    t.equal(await unmeasured.page.locator('#probes').isVisible(), false)
    for (const [measureError, expected] of [
      [new Error('no such tracepoint'), /^Not measured: this kernel refuses/],
      [undefined, /^No request has been answered/],
    ] as const) {
      const prepare = ({ datapath }: ServedPage['agent']): void => {
        datapath.measureError = measureError
      }
      await using measuring = await ServedPage.open(shopPods, prepare, '--measure', 'pods')
      await using opened = await Tab.open(t, browser, measuring.url)
      await sees(t, opened.page.locator('#latency-note'), expected)
    }

    await says([], () => undefined, /^Ready, but no pod is enrolled$/, /^The agent sees no pods/)
    await says(
      [{ ...pod('shop', 'cart-0', 0), enabled: false }],
      () => undefined,
      /^Ready, but no pod is enrolled$/,
      /^Set meshaccel\.io\/enabled: "true" on/,
    )
    await says(
      shopPods,
      ({ datapath }) =>
        Object.assign(datapath, {
          policy: 'refused',
          refusedBecause: 'the kernel is older than 6.1',
        }),
      /^Refused on this kernel: everything takes TCP$/,
      /^Because the kernel is older than 6\.1\. meshaccel doctor shows/,
    )
    await says(
      shopPods,
      ({ datapath }) => Object.assign(datapath, { redirecting: false }),
      /^Switched off: everything takes TCP$/,
      /^meshaccel resume switches/,
    )
    await says(
      shopPods,
      ({ datapath }) =>
        Object.assign(datapath, {
          redirecting: false,
          gauge: { now: 14, watched: 0, joined: 14, engaged: 0, plain: 14, mixed: 0 },
        }),
      /^Draining: 14 connections to go$/,
      /^meshaccel resume switches/,
    )
  })

  await whole.test('50,000 connections of 110 pods', async (t) => {
    const pods = Array.from({ length: 110 }, (_, index) =>
      pod(`team-${index % 7}`, `service-${index}`, index),
    )
    const traffic: readonly Traffic[] = Array.from({ length: 1250 }, (_, index) => ({
      from: index % 110,
      to: (index * 7 + Math.floor(index / 110)) % 110,
      connections: 40,
      fast: 1e6 + index,
      tcp: 1e4,
    }))
    await using page = await ServedPage.open(pods, (agent) => carry(agent, traffic, () => 60))
    await using opened = await Tab.open(t, browser, page.url)
    const tab = opened.page
    const answer = tab.waitForResponse(/overview$/)
    await sees(
      t,
      tab.locator('#subline'),
      /^110 pods enrolled · 50,000 connections, 50,000 of them/,
    )
    const { length } = await (await answer).body()
    t.ok(length < 500_000, `an answer has ${length} bytes`)
    t.equal(await tab.locator('#pods tbody tr').count(), 24)
    await sees(t, tab.locator('#hops-more'), /^Show 100 more of 1,000$/)
    await tab.getByRole('button', { name: 'Show all 110 pods' }).click()
    t.equal(await tab.locator('#pods tbody tr').count(), 110)
    await tab.locator('#hops tbody button').first().click()
    await sees(t, tab.locator('#hops tbody .flows li'), /both ways fast/)
  })

  await whole.test('it asks while somebody looks, and says when nobody answers', async (t) => {
    await using page = await ServedPage.open(shopPods, (agent) =>
      carry(agent, shopTraffic, () => 60),
    )
    await using opened = await Tab.open(t, browser, page.url)
    const tab = opened.page
    let asked = 0
    await tab.route('**/api/overview', async (route) => {
      asked += 1
      await route.continue()
    })
    const nextAnswer = (): Promise<unknown> => tab.waitForResponse(/overview$/)
    await nextAnswer()
    const look = (hidden: boolean): Promise<void> =>
      tab.evaluate(`Object.defineProperty(document, 'hidden', { value: ${hidden}, configurable: true })
        document.dispatchEvent(new Event('visibilitychange'))`)

    await tab.clock.install()
    await look(true)
    await tab.clock.runFor(30_000)
    const before = asked
    await tab.clock.runFor(30_000)
    t.equal(asked, before, 'a hidden tab asks for nothing')
    await Promise.all([nextAnswer(), look(false)])
    await tab.getByRole('button', { name: 'Pause' }).click()
    await sees(t, tab.locator('#pulse'), /^paused$/)
    await tab.clock.runFor(30_000)
    const paused = asked
    await tab.clock.runFor(30_000)
    t.equal(asked, paused, 'nor does one that is paused')
    await Promise.all([nextAnswer(), tab.getByRole('button', { name: 'Go on' }).click()])

    const { datapath } = page.agent
    const survey = datapath.survey.bind(datapath)
    datapath.survey = () => {
      throw new Error('the map is gone')
    }
    await tab.clock.resume()
    opened.provoked = /status of 503/
    await sees(t, tab.locator('#pulse'), /^no answer since /)
    t.match(await tab.locator('#pulse').getAttribute('title'), /the map is gone/)
    await sees(t, headline(tab), /^Accelerating/)
    datapath.survey = survey
    await sees(t, tab.locator('#pulse'), /^live$/)
  })
})
