import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ServerCredentials } from '@grpc/grpc-js'
import { type Test, test } from 'tap'
import { planBench } from '../../../bench/plan.ts'
import { benchArguments } from '../../helpers/bench-arguments.ts'
import { mutualTlsIn } from '../../../bench/proxies/linkerd/admin.ts'
import { findLinkerd } from '../../../bench/proxies/linkerd/binary.ts'
import { controllers } from '../../../bench/proxies/linkerd/controllers.ts'
import { proxyEnvironment } from '../../../bench/proxies/linkerd/environment.ts'
import { IdentityIssuer } from '../../../bench/proxies/linkerd/identity.ts'
import { meshes } from '../../../bench/topology/mesh.ts'
import { call, decode, encode, firstOf } from '../../helpers/linkerd-proxy/grpc.ts'
import { discover, getCertificate, portsOf, Settings } from '../../helpers/linkerd-proxy/start.ts'

const CERTIFY = '/io.linkerd.proxy.identity.Identity/Certify'
const PROFILE = '/io.linkerd.proxy.destination.Destination/GetProfile'

/** The stand-ins on a port of this host, and the variables of a proxy that uses them. */
async function standIns(t: Test): Promise<{ port: number; environment: Record<string, string> }> {
  const issuer = new IdentityIssuer(t.testdir(), process.getuid?.() ?? 0)
  const identity = issuer.create('client')
  const server = controllers(issuer, new Map([['200.1.2.254', identity.name]]))
  const bind = promisify(server.bindAsync.bind(server))
  const port = await bind('127.0.0.1:0', ServerCredentials.createInsecure())
  t.teardown(() => server.forceShutdown())
  const environment = proxyEnvironment({
    mesh: meshes.linkerd,
    pod: 'client',
    address: '10.244.1.10',
    applicationPort: 8080,
    identity,
    trustAnchors: issuer.trustAnchors,
    controllersPort: port,
  })
  return { port, environment }
}

void test('a proxy gets its certificate and the answers that are final', async (t) => {
  const { environment } = await standIns(t)
  const settings = new Settings(environment)
  t.same(portsOf(settings), { inbound: 4143, outbound: 4140, admin: 4191 })
  const leaf = await getCertificate(settings)
  t.equal(leaf.subjectAltName, 'DNS:client.bench.serviceaccount.identity.linkerd.cluster.local')
  t.notOk(leaf.ca)
  await discover(settings, '10.244.1.20:8080')
  const again = await getCertificate(settings)
  t.not(again.serialNumber, leaf.serialNumber, 'it can renew its certificate')
})

void test('the stand-in signs nothing but what the proxies of the run ask for', async (t) => {
  const { port, environment } = await standIns(t)
  const settings = new Settings(environment)
  const name = settings.get('IDENTITY_LOCAL_NAME')
  const token = readFileSync(settings.get('IDENTITY_TOKEN_FILE'))
  const request = readFileSync(join(settings.get('IDENTITY_DIR'), 'csr.der'))
  const forged = Buffer.from(request)
  // The signature is at the end.
  forged.writeUInt8(forged.readUInt8(forged.length - 1) ^ 1, forged.length - 1)
  for (const [status, details, ...fields] of [
    [3, 'no proxy of this run', 'other.example', token, request],
    [16, 'the token', name, 'wrong', request],
    [3, 'exit 1', name, token, 'no request'],
    [3, 'exit 1', name, token, ''],
    [3, 'exit 1', name, token, forged],
  ] as const) {
    const answer = await call(
      port,
      CERTIFY,
      fields.map((field, index) => [index + 1, field] as const),
    )
    t.match(answer, { status, details: new RegExp(details) })
    t.equal(answer.message.length, 0)
  }
})

void test('calls for one message and for a stream are refused alike', async (t) => {
  const { port } = await standIns(t)
  for (const [status, path] of [
    [3, 'destination.Destination/Get'],
    [3, 'destination.Destination/GetProfile'],
    [3, 'inbound.InboundServerPolicies/GetPort'],
    [3, 'inbound.InboundServerPolicies/WatchPort'],
    [5, 'outbound.OutboundPolicies/Get'],
    [5, 'outbound.OutboundPolicies/Watch'],
    [12, 'outbound.OutboundPolicies/Unknown'],
  ] as const) {
    t.match(await call(port, `/io.linkerd.proxy.${path}`, []), { status }, path)
  }
})

void test('the identity of a meshed pod is told, and the call stays open', async (t) => {
  const { port, environment } = await standIns(t)
  const name = new Settings(environment).get('IDENTITY_LOCAL_NAME')
  const { first, open } = await firstOf(port, PROFILE, [[2, '200.1.2.254:8080']])
  t.ok(open)
  const endpoint = fieldOf(first, 6)
  const address = fieldOf(endpoint, 1)
  t.equal(decode(address).get(2), 8080)
  t.equal(decode(fieldOf(address, 1)).get(1), 200 * 2 ** 24 + 2 ** 16 + 2 * 2 ** 8 + 254)
  t.equal(decode(endpoint).get(3), 1)
  const tls = fieldOf(endpoint, 5)
  for (const field of [1, 4]) t.equal(String(fieldOf(fieldOf(tls, field), 1)), name)
  for (const other of ['200.1.2.25:8080', '200.1.2.254', 'web.shop.svc.cluster.local:80']) {
    t.match(await call(port, PROFILE, [[2, other]]), { status: 3 }, other)
  }
})

function fieldOf(message: Buffer, number: number): Buffer {
  const value = decode(message).get(number)
  if (Buffer.isBuffer(value)) return value
  throw new Error(`there is no field ${number}`)
}

const opened = (labels: string, count: number): string => `tcp_open_total{${labels}} ${count}\n`

void test('a proxy counts its connections with mutual TLS', async (t) => {
  const server = 'direction="inbound",peer="src",target_ip="10.244.1.20",target_port="8080"'
  const mutual = `${server},tls="true",client_id="client.bench"`
  t.ok(mutualTlsIn(`# HELP tcp_open_total\n${opened(mutual, 4)}`, 8080))
  for (const other of [
    opened(mutual, 0),
    opened(`${server},tls="no_identity",no_tls_reason="no_tls_from_remote"`, 4),
    opened(mutual.replace('8080', '4191'), 4),
    opened(mutual.replace('src', 'dst'), 4),
    opened(mutual.replace('inbound', 'outbound'), 4),
    '',
  ]) {
    t.notOk(mutualTlsIn(other, 8080), other)
  }
})

void test("only the proxy's user reads its key and token", async (t) => {
  const { environment } = await standIns(t)
  const settings = new Settings(environment)
  const directory = settings.get('IDENTITY_DIR')
  for (const file of ['key.p8', 'token', 'csr.der']) {
    t.equal(statSync(join(directory, file)).mode & 0o077, 0, file)
  }
})

void test('a proxy without a variable says which', async (t) => {
  const { environment } = await standIns(t)
  const { LINKERD2_PROXY_IDENTITY_DIR: _, ...rest } = environment
  await t.rejects(getCertificate(new Settings(rest)), { message: /IDENTITY_DIR must be set/ })
})

void test("the log level is the user's", async (t) => {
  const name = 'LINKERD2_PROXY_LOG'
  const before = process.env[name]
  t.teardown(() => {
    if (before === undefined) delete process.env[name]
    else process.env[name] = before
  })
  delete process.env[name]
  t.equal((await standIns(t)).environment[name], 'warn')
})

function script(directory: string, name: string, text: string, mode = 0o755): string {
  const path = join(directory, name)
  writeFileSync(path, `#!/bin/sh\n${text}\n`)
  chmodSync(path, mode)
  return path
}

void test("Linkerd's proxy is found, and says its version", async (t) => {
  const directory = t.testdir()
  const line = '[ 0.000041s] INFO ThreadId(01) linkerd2_proxy: release 2.291.0 (85db76a) by linkerd'
  const path = script(directory, 'linkerd2-proxy', `echo '${line}'\nexit 64`)
  t.same(findLinkerd(path), { path, version: '2.291.0' })
  const { PATH } = process.env
  t.teardown(() => void (process.env['PATH'] = PATH))
  process.env['PATH'] = `${directory}:${PATH ?? ''}`
  t.same(findLinkerd(undefined), { path, version: '2.291.0' })
  const terse = script(directory, 'terse', 'echo Invalid configuration: invalid >&2\nexit 64')
  t.equal(findLinkerd(terse).version, 'unknown')
})

void test('a proxy that is missing or does not start is an error that says what to do', async (t) => {
  const directory = t.testdir()
  const hint = /docker cp .*--proxy-binary/s
  const plain = script(directory, 'plain', '', 0o644)
  for (const path of [join(directory, 'none'), plain, directory]) {
    t.throws(() => findLinkerd(path), { code: 'NO_LINKERD_PROXY', hint }, path)
  }
  const old = script(directory, 'old', 'echo version GLIBC_2.39 not found >&2\nexit 1')
  const bad = { code: 'BAD_LINKERD_PROXY', message: /GLIBC_2.39/, hint: /C library/ }
  t.throws(() => findLinkerd(old), bad)
  const strange = join(directory, 'strange')
  writeFileSync(strange, '\x7fELF of another machine', { mode: 0o755 })
  t.throws(() => findLinkerd(strange), { code: 'BAD_LINKERD_PROXY' })
})

const given = { ...benchArguments, proxy: 'linkerd', redirect: 'iptables-nft' } as const

void test("Linkerd's proxy brings its mesh, and has no Unix sockets", async (t) => {
  const plan = planBench({ ...given, 'proxy-binary': './linkerd2-proxy' })
  t.match(plan, { mesh: 'linkerd', proxyBinary: './linkerd2-proxy' })
  t.same(plan.modes, ['iptables', 'meshaccel', 'naive', 'direct'])
  t.same(planBench({ ...given, quick: true }).modes, ['iptables', 'meshaccel'])
  t.equal(planBench({ ...given, mesh: 'linkerd' }).mesh, 'linkerd')
  t.equal(planBench({ ...given, proxy: 'haproxy' }).mesh, 'istio')
  t.same(planBench({ ...given, scenario: 'mtls' }).scenarios, ['mtls'])
  for (const wrong of [
    { mesh: 'istio' },
    { modes: 'iptables,unix' },
    { redirect: 'nft' },
    { proxy: 'envoy', 'proxy-binary': './envoy' },
  ] as const) {
    t.throws(() => planBench({ ...given, ...wrong }), { name: 'PlanError' }, JSON.stringify(wrong))
  }
})

void test('messages survive their encoding', async (t) => {
  const fields = [
    [1, 'name'],
    [2, 300],
    [16, Uint8Array.of(0, 255)],
  ] as const
  const decoded = decode(encode(fields))
  t.equal(String(decoded.get(1)), 'name')
  t.equal(decoded.get(2), 300)
  t.same(decoded.get(16), Buffer.of(0, 255))
})
