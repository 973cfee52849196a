import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { Client, listening, liveThrough, turned } from './life.ts'

const SIZES = [1, 100, 5000, 70_000]

void test('a Go TCP proxy, which splices from the first byte, is left alone', async (t) => {
  if (!requireRoot(t)) return
  const { mesh, host } = await proxied(t, 'tcp-proxy', 8083)
  const tcp = await Client.start(mesh.pod(0), 'tcp-client', {
    host,
    port: 8183,
    connections: 8,
    sizes: [...SIZES, 1_000_000],
  })
  t.equal(await liveThrough(t, mesh, [tcp], []), 0n, 'nothing was ever redirected')
})

for (const eager of [false, true]) {
  const who = eager ? 'an eager client' : 'a client'
  void test(`a Go reverse proxy turns to splice after an upgrade that ${who} asked for`, async (t) => {
    if (!requireRoot(t)) return
    const { mesh, host } = await proxied(t, 'upgrade-proxy', 8081)
    const upgrade = await Client.start(mesh.pod(0), 'upgrade-client', {
      host,
      port: 8183,
      connections: 4,
      protocol: 'echo',
      before: 300,
      after: 20,
      eager,
      sizes: SIZES,
    })
    await turned(t, mesh, [upgrade])
  })
}

/** A mesh of a client, a proxy in Go, and a server that sends back the bytes that it gets. */
async function proxied(
  t: Test,
  program: string,
  forward: number,
): Promise<{ mesh: Mesh; host: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'meshaccel-go-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const sources = [program, 'forward'].map(
    (name) => new URL(`programs/${name}.go`, import.meta.url).pathname,
  )
  const binary = join(directory, program)
  execFileSync('go', ['build', '-o', binary, ...sources], {
    env: { ...process.env, GO111MODULE: 'off' },
  })
  const mesh = await Mesh.make(t, { pods: 3 })
  const [proxy, server] = [mesh.pod(1), mesh.pod(2)]
  const ports = { http: 8081, http2: 8082, tcp: 8083 }
  await server.script('echo-server', { host: server.address, ...ports }).take('ready')
  proxy.start(binary, ':8183', `${server.address}:${forward}`)
  await listening(proxy, 8183)
  return { mesh, host: proxy.address }
}
