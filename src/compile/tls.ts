import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { messageOf } from '../lib/errno.ts'
import { MeshaccelError } from '../lib/errors.ts'

/** The files of one side of mutual TLS, in PEM. */
export interface Identity {
  /** The authority of the other side's certificate. */
  readonly ca: Buffer
  readonly cert: Buffer
  readonly key: Buffer
}

/** Reads the files. Throws BAD_CERTIFICATE, naming the file. */
export function readIdentity(files: Readonly<Record<keyof Identity, string>>): Identity {
  const identity = {
    ca: read(files.ca, (pem) => new X509Certificate(pem)),
    cert: read(files.cert, (pem) => new X509Certificate(pem)),
    key: read(files.key, (pem) => createPrivateKey(pem)),
  }
  if (new X509Certificate(identity.cert).checkPrivateKey(createPrivateKey(identity.key))) {
    return identity
  }
  throw bad(files.key, `it is not the key of ${files.cert}`)
}

function read(path: string, check: (pem: Buffer) => unknown): Buffer {
  try {
    const pem = readFileSync(path)
    check(pem)
    return pem
  } catch (error) {
    throw bad(path, messageOf(error), error)
  }
}

const bad = (path: string, reason: string, cause?: unknown): MeshaccelError =>
  new MeshaccelError(reason, {
    code: 'BAD_CERTIFICATE',
    operation: `read ${path}`,
    hint: 'Certificates and keys are files in PEM.',
    cause,
  })
