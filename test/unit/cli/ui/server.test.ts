import { request, type IncomingHttpHeaders } from 'node:http'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { SteadyClient } from '../../../../src/cli/steady-client.ts'
import { runCommand } from '../../../helpers/cli-run.ts'
import { RunningAgent } from '../../../helpers/running-agent.ts'
import { carry, shopPods, shopTraffic } from '../../../system/ui/made-up-node.ts'
import { ServedPage } from '../../../system/ui/served-page.ts'

interface Answer {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** Requests as a browser or another program: fetch does not allow a made-up host. */
function ask(
  url: string,
  headers: Readonly<Record<string, string>> = {},
  method = 'GET',
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent: false }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => (body += text))
      response.on('end', () =>
        resolve({ status: response.statusCode, headers: response.headers, body }),
      )
    })
    sent.on('error', reject).end()
  })
}

const token = (url: string): string => new URL(url).pathname

void test('the page is on loopback, at an address that nobody can guess', async (t) => {
  await using page = await ServedPage.open(shopPods)
  await using other = await ServedPage.open(shopPods)
  t.match(page.url, /^http:\/\/127\.0\.0\.1:\d+\/[\w-]{24}\/$/)
  t.not(token(page.url), token(other.url))
  t.match(await ask(page.url), { status: 200, body: /<title>meshaccel/ })
  for (const path of ['/', '/index.html', '/api/overview', token(other.url), '//', '/a/']) {
    t.equal((await ask(new URL(page.url).origin + path)).status, 404, path)
  }
  for (const path of ['nothing', '../package.json', 'tsconfig.json', 'constructor', 'api/']) {
    t.equal((await ask(page.url + path)).status, 404, path)
  }
  const { code, stderr } = (await page.end()) ?? {}
  t.equal(code, 0)
  t.match(stderr, /Ctrl-C ends it.*ssh -L \d+:127\.0\.0\.1:\d+ NODE/)
  await t.rejects(ask(page.url), { code: 'ECONNREFUSED' })
})

void test('only what a browser asks on its own behalf is answered', async (t) => {
  await using page = await ServedPage.open(shopPods)
  const { host, port } = new URL(page.url)
  const status = async (headers: Readonly<Record<string, string>>): Promise<number | undefined> =>
    (await ask(`${page.url}api/overview`, headers)).status
  for (const good of [host, 'localhost:9999', '127.0.0.1:80', '[::1]:80', 'LOCALHOST']) {
    t.equal(await status({ host: good }), 200, good)
  }
  for (const bad of [
    'evil.example',
    `evil.example:${port}`,
    '127.0.0.1.evil.example',
    '10.0.0.1',
  ]) {
    t.equal(await status({ host: bad }), 403, `${bad}: DNS rebinding`)
  }
  t.equal(await status({ origin: `http://${host}` }), 200)
  for (const origin of ['http://evil.example', 'null', `https://${host}`]) {
    t.equal(await status({ origin }), 403, origin)
  }
  t.equal(await status({ 'sec-fetch-site': 'same-origin' }), 200)
  t.equal(await status({ 'sec-fetch-site': 'cross-site' }), 403)
  t.equal(await status({ 'sec-fetch-site': 'same-site' }), 403, 'another port of this machine')
  t.equal(
    await status({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }),
    200,
    'a link that somebody followed',
  )
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    t.equal((await ask(`${page.url}api/overview`, {}, method)).status, 405, method)
  }
  t.match(await ask(page.url, {}, 'HEAD'), { status: 200, body: '' })
})

void test('every answer keeps the browser from running, framing or remembering it', async (t) => {
  await using page = await ServedPage.open(shopPods)
  for (const path of ['', 'main.js', 'style.css', 'icon.svg', 'api/overview', 'nothing']) {
    const { headers } = await ask(page.url + path)
    t.match(headers, {
      'content-security-policy':
        /default-src 'none';.* frame-ancestors 'none'; require-trusted-types-for 'script'/,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'no-store',
    })
    t.notMatch(headers['content-security-policy'], /unsafe|\*|http/)
    t.equal(headers['access-control-allow-origin'], undefined)
  }
})

void test('an answer is the state of the agent, with words; several tabs share one question', async (t) => {
  await using page = await ServedPage.open(shopPods, (agent) => carry(agent, shopTraffic, () => 10))
  const [one, other] = await Promise.all([
    ask(`${page.url}api/overview`),
    ask(`${page.url}api/overview`),
  ])
  t.equal(one.body, other.body)
  t.match(JSON.parse(one.body), {
    node: String,
    overview: {
      status: { state: 'accelerating', policy: 'strict', pods: { seen: 14, enrolled: 11 } },
      hops: [{ ends: { client: /^shop\/frontend/, server: /^shop\/catalogue/ }, engaged: 40 }],
      moreHops: 0,
    },
    policyMeans: /^every proven reader/,
    words: {
      traffic: { stream: { means: /small messages/ }, waitall: { means: /MSG_WAITALL/ } },
      pods: { disabled: { next: /meshaccel\.io\/enabled/ } },
    },
  })
  const query = new URLSearchParams({ client: JSON.parse(one.body).overview.hops[0].ends.client })
  const away = JSON.parse((await ask(`${page.url}api/flows?${query.toString()}`)).body)
  t.strictSame(away.flows, [], 'that pod talks to nobody elsewhere')
})

void test('an agent that comes back is asked again, and one that fails is quoted', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'meshaccel-test-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const first = new RunningAgent(shopPods)
  await first.start()
  using link = new SteadyClient(first.socket)
  t.match(await link.call('Status', {}), { state: 'accelerating' })
  first.terminate()
  await first.result
  await t.rejects(link.call('Status', {}))
  await t.rejects(link.call('Status', {}), { code: 'AGENT_NOT_RUNNING' })
  await using second = new RunningAgent(shopPods)
  second.datapath.policy = 'full'
  const socket = Object.assign(second, { socket: first.socket })
  await socket.start()
  t.match(await link.call('Status', {}), { policy: 'full' })
  await first[Symbol.asyncDispose]()
})

void test('what cannot be served is said at once', async (t) => {
  const { code, stderr } = await runCommand(['ui', '--socket', '/nonexistent/agent.sock'])
  t.equal(code, 1)
  t.match(stderr, /it is not running/)
  for (const port of ['70000', '-1', 'x']) {
    t.match(await runCommand(['ui', '--port', port]), { code: 2, stderr: /--port must be/ })
  }
  await using page = await ServedPage.open(shopPods)
  const { port } = new URL(page.url)
  t.match(await runCommand(['ui', '--socket', page.agent.socket, '--port', port]), {
    code: 1,
    stderr: /serve the page at 127\.0\.0\.1:\d+: .*EADDRINUSE/,
  })
})
