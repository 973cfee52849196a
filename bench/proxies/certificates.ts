import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemCommand } from '../system/system-command.ts'
import type { Certificates } from './hop.ts'

/** Paths of PEM files of a certificate authority. */
export interface Authority {
  readonly certificate: string
  readonly key: string
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

/** Creates an authority in the directory, valid for a day. */
export function createAuthority(directory: string): Authority {
  const authority = {
    certificate: join(directory, 'authority.crt'),
    key: join(directory, 'authority.key'),
  }
  const root = ['-x509', '-days', '1', '-subj', '/CN=authority']
  const output = ['-keyout', authority.key, '-out', authority.certificate]
  systemCommand('openssl', ['req', ...newKey, ...root, ...output])
  return authority
}

/**
 * Creates an authority and one certificate per sidecar, valid for a day. The proxies must be able to read the files.
 */
export function createCertificates(
  directory: string,
  names: readonly string[],
): ReadonlyMap<string, Certificates> {
  const folder = join(directory, 'certificates')
  mkdirSync(folder)
  const path = (name: string, suffix: string): string => join(folder, `${name}.${suffix}`)
  const { certificate: authority, key: authorityKey } = createAuthority(folder)
  return new Map(
    names.map((name) => {
      const files = { authority, certificate: path(name, 'crt'), key: path(name, 'key') }
      const request = path(name, 'csr')
      const extensions = path(name, 'ext')
      writeFileSync(extensions, `subjectAltName=DNS:${name}\n`)
      const leaf = ['-subj', `/CN=${name}`, '-keyout', files.key]
      systemCommand('openssl', ['req', '-new', ...newKey, ...leaf, '-out', request])
      const signed = ['-CA', authority, '-CAkey', authorityKey, '-CAcreateserial', '-days', '1']
      const output = ['-extfile', extensions, '-out', files.certificate]
      systemCommand('openssl', ['x509', '-req', '-in', request, ...signed, ...output])
      chmodSync(files.key, 0o644)
      return [name, files] as const
    }),
  )
}
