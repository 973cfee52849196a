import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isExplained, MeshaccelError } from '../../../src/lib/errors.ts'
import { systemCommand } from '../../system/system-command.ts'
import { type Authority, createAuthority } from '../certificates.ts'
import type { CertifyRequest, CertifyResponse } from './wire.ts'

/** The files and names by which one proxy asks for its certificate. */
export interface Identity {
  /** The DNS name in its certificate. */
  readonly name: string
  /** The directory with `key.p8` and `csr.der`. In a cluster, a helper in the proxy's image writes them. */
  readonly directory: string
  readonly tokenFile: string
}

/** Stands in for Linkerd's identity service. Signs certificates for the proxies of one run, valid for a day. */
export class IdentityIssuer {
  /** PEM of the authority's certificate. */
  readonly trustAnchors: string
  readonly #directory: string
  readonly #uid: number
  readonly #authority: Authority
  readonly #tokens = new Map<string, Buffer>()

  /** Creates the authority in a new directory below `directory`. Proxies run as the user `uid`. */
  constructor(directory: string, uid: number) {
    this.#directory = mkdtempSync(join(directory, 'identity-'))
    this.#uid = uid
    chmodSync(this.#directory, 0o755)
    this.#authority = createAuthority(this.#directory)
    this.trustAnchors = readFileSync(this.#authority.certificate, 'utf8')
  }

  /** Creates a pod's key, signing request and token. Only the proxy's user can read them. */
  create(pod: string): Identity {
    const name = `${pod}.bench.serviceaccount.identity.linkerd.cluster.local`
    const directory = join(this.#directory, pod)
    const path = (file: string): string => join(directory, file)
    mkdirSync(directory)
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    writeFileSync(path('key.p8'), privateKey.export({ type: 'pkcs8', format: 'der' }))
    const request = ['-new', '-subj', `/CN=${pod}`, '-addext', `subjectAltName=DNS:${name}`]
    const files = ['-key', path('key.p8'), '-keyform', 'DER', '-out', path('csr.der')]
    systemCommand('openssl', ['req', ...request, ...files, '-outform', 'DER'])
    const token = randomBytes(16).toString('hex')
    writeFileSync(path('token'), token)
    for (const file of ['key.p8', 'csr.der', 'token']) {
      chownSync(path(file), this.#uid, this.#uid)
      chmodSync(path(file), 0o600)
    }
    writeFileSync(this.#extensions(name), `subjectAltName=DNS:${name}\n`)
    this.#tokens.set(name, Buffer.from(token))
    return { name, directory, tokenFile: path('token') }
  }

  /** Signs a request. Throws `UNKNOWN_IDENTITY`, `WRONG_TOKEN` or `BAD_SIGNING_REQUEST`. */
  certify({ identity, token, certificateSigningRequest }: CertifyRequest): CertifyResponse {
    const operation = `certify ${identity}`
    const expected = this.#tokens.get(identity)
    if (expected === undefined) {
      const reason = 'no proxy of this run has that name'
      throw new MeshaccelError(reason, { code: 'UNKNOWN_IDENTITY', operation })
    }
    if (!expected.equals(token)) {
      const reason = 'the token is not the one that the proxy was given'
      throw new MeshaccelError(reason, { code: 'WRONG_TOKEN', operation })
    }
    const { certificate, key } = this.#authority
    const serial = `0x${randomBytes(8).toString('hex')}`
    const signed = ['-CA', certificate, '-CAkey', key, '-set_serial', serial, '-days', '1']
    const extensions = ['-extfile', this.#extensions(identity)]
    const leaf = new X509Certificate(
      signing(operation, () =>
        systemCommand(
          'openssl',
          ['x509', '-req', ...signed, ...extensions],
          toPem(certificateSigningRequest),
        ),
      ),
    )
    return {
      leafCertificate: leaf.raw,
      intermediateCertificates: [],
      validUntil: { seconds: Date.parse(leaf.validTo) / 1000, nanos: 0 },
    }
  }

  #extensions(name: string): string {
    return join(this.#directory, `${name}.ext`)
  }
}

function signing(operation: string, sign: () => string): string {
  try {
    return sign()
  } catch (error) {
    if (!isExplained(error)) throw error
    const details = { code: 'BAD_SIGNING_REQUEST', operation, hint: error.hint, cause: error }
    throw new MeshaccelError(error.message, details)
  }
}

/** PEM, because the standard input of a command takes text. */
function toPem(request: Buffer): string {
  const lines = request.toString('base64').match(/.{1,64}/g) ?? []
  const [begin, end] = ['BEGIN', 'END'].map((word) => `-----${word} CERTIFICATE REQUEST-----`)
  return [begin, ...lines, end, ''].join('\n')
}
