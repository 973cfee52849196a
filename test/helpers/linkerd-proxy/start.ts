// Starts as linkerd2-proxy does, according to its sources (linkerd/linkerd2-proxy, linkerd/app/src/env.rs). Any
// difference from what it expects is an error.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { call, decode } from './grpc.ts'

const INVALID_ARGUMENT = 3
const NOT_FOUND = 5

/** The ports of the proxy. */
export interface Ports {
  readonly inbound: number
  readonly outbound: number
  readonly admin: number
}

type Environment = Readonly<Record<string, string | undefined>>

export class Settings {
  readonly #environment: Environment

  constructor(environment: Environment) {
    this.#environment = environment
  }

  /** Throws if the variable is unset. */
  get(name: string): string {
    const value = this.#environment[`LINKERD2_PROXY_${name}`]
    if (value) return value
    throw new Error(`Invalid configuration: LINKERD2_PROXY_${name} must be set`)
  }

  /** The port of an address that must be on this host. */
  port(name: string, host: string): number {
    const [, found, port] = /^(.+):(\d+)$/.exec(this.get(name)) ?? []
    if (found === host) return Number(port)
    throw new Error(`Invalid configuration: LINKERD2_PROXY_${name} is not on ${host}`)
  }
}

export const portsOf = (settings: Settings): Ports => ({
  inbound: settings.port('INBOUND_LISTEN_ADDR', '0.0.0.0'),
  outbound: settings.port('OUTBOUND_LISTEN_ADDRS', '127.0.0.1'),
  admin: settings.port('ADMIN_LISTEN_ADDR', '127.0.0.1'),
})

/** Gets a certificate and checks it as the proxy does. */
export async function getCertificate(settings: Settings): Promise<X509Certificate> {
  const directory = settings.get('IDENTITY_DIR')
  const anchor = new X509Certificate(settings.get('IDENTITY_TRUST_ANCHORS'))
  const name = settings.get('IDENTITY_LOCAL_NAME')
  const pkcs8 = readFileSync(join(directory, 'key.p8'))
  const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
  const port = settings.port('IDENTITY_SVC_ADDR', '127.0.0.1')
  const { status, details, message } = await call(
    port,
    '/io.linkerd.proxy.identity.Identity/Certify',
    [
      [1, name],
      [2, readFileSync(settings.get('IDENTITY_TOKEN_FILE'))],
      [3, readFileSync(join(directory, 'csr.der'))],
    ],
  )
  if (status !== 0) throw new Error(`Failed to obtain identity: ${status}: ${details}`)
  const fields = decode(message)
  const leaf = new X509Certificate(bytes(fields.get(1)))
  if (!leaf.verify(anchor.publicKey) || !leaf.checkIssued(anchor)) throw new Error('BadSignature')
  if (!leaf.checkPrivateKey(key)) throw new Error('the certificate is for another key')
  if (leaf.checkHost(name, { subject: 'never' }) === undefined) throw new Error('NotValidForName')
  const [seconds] = [decode(bytes(fields.get(3))).get(1)]
  if (Number(seconds) * 1000 <= Date.now()) throw new Error('certificate already expired')
  return leaf
}

/** Asks what the proxy asks for its ports and for a destination. It expects the answers that are final. */
export async function discover(settings: Settings, destination: string): Promise<void> {
  const workload = settings.get('POLICY_WORKLOAD')
  const policies = settings.port('POLICY_SVC_ADDR', '127.0.0.1')
  const destinations = settings.port('DESTINATION_SVC_ADDR', '127.0.0.1')
  if (settings.get('INBOUND_DEFAULT_POLICY') !== 'all-unauthenticated') {
    throw new Error('inbound connections need a default policy that allows them')
  }
  const inbound = 'io.linkerd.proxy.inbound.InboundServerPolicies'
  const port = Number(settings.get('INBOUND_PORTS'))
  await expect(INVALID_ARGUMENT, policies, `/${inbound}/WatchPort`, [
    [1, workload],
    [2, port],
  ])
  await expect(
    INVALID_ARGUMENT,
    destinations,
    '/io.linkerd.proxy.destination.Destination/GetProfile',
    [
      [2, destination],
      [3, settings.get('DESTINATION_CONTEXT')],
    ],
  )
  await expect(NOT_FOUND, policies, '/io.linkerd.proxy.outbound.OutboundPolicies/Watch', [
    [1, workload],
    [3, destination],
  ])
}

async function expect(wanted: number, ...args: Parameters<typeof call>): Promise<void> {
  const { status, details } = await call(...args)
  if (status !== wanted) throw new Error(`${args[1]}: ${status}, not ${wanted}: ${details}`)
}

function bytes(value: number | Buffer | undefined): Buffer {
  if (Buffer.isBuffer(value)) return value
  throw new Error('a field is missing')
}
