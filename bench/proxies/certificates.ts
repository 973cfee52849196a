import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemCommand } from '../system/system-command.ts'
import type { Certificates } from './hop.ts'

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
  const authority = path('authority', 'crt')
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const authorityKey = path('authority', 'key')
  const root = ['-x509', '-days', '1', '-subj', '/CN=authority']
  systemCommand('openssl', ['req', ...newKey, ...root, '-keyout', authorityKey, '-out', authority])
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
