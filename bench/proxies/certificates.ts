import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemCommand } from '../system-command.ts'
import type { Certificates } from './hop.ts'

/** Makes an authority and one certificate per sidecar, good for a day. The files must be readable by the proxies. */
export function createCertificates(
  directory: string,
  names: readonly string[],
): ReadonlyMap<string, Certificates> {
  const folder = join(directory, 'certificates')
  mkdirSync(folder)
  const path = (name: string, suffix: string): string => join(folder, `${name}.${suffix}`)
  const authority = path('authority', 'crt')
  const keyType = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  systemCommand('openssl', [
    ...['req', '-x509', ...keyType, '-days', '1', '-subj', '/CN=authority'],
    ...['-keyout', path('authority', 'key'), '-out', authority],
  ])
  return new Map(
    names.map((name) => {
      const files = { authority, certificate: path(name, 'crt'), key: path(name, 'key') }
      const request = path(name, 'csr')
      const extensions = path(name, 'ext')
      writeFileSync(extensions, `subjectAltName=DNS:${name}\n`)
      const subject = ['-subj', `/CN=${name}`]
      systemCommand('openssl', [
        'req',
        '-new',
        ...keyType,
        ...subject,
        '-keyout',
        files.key,
        '-out',
        request,
      ])
      systemCommand('openssl', [
        ...[
          'x509',
          '-req',
          '-in',
          request,
          '-days',
          '1',
          '-CAcreateserial',
          '-out',
          files.certificate,
        ],
        ...['-CA', authority, '-CAkey', path('authority', 'key'), '-extfile', extensions],
      ])
      chmodSync(files.key, 0o644)
      return [name, files] as const
    }),
  )
}
