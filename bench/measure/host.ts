import { readFileSync } from 'node:fs'
import { arch, cpus, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { packageRoot } from '../../src/lib/package.ts'
import { systemCommand } from '../system/system-command.ts'

/** The machine of the measurement. */
export interface Host {
  readonly kernel: string
  readonly cpus: number
  readonly congestionControl: string
  readonly cpuModel: string
  readonly memoryBytes: number
  readonly os: string
}

/** Versions of the software used, by name. */
export type Software = Readonly<Record<string, string>>

export function describeHost(congestionControl: string): Host {
  const [first] = cpus()
  return {
    kernel: release(),
    cpus: cpus().length,
    congestionControl,
    cpuModel: `${first?.model.trim() || 'unknown'} (${arch()})`,
    memoryBytes: totalmem(),
    os: /^PRETTY_NAME="?([^"\n]*)/m.exec(read('/etc/os-release'))?.[1] ?? 'unknown',
  }
}

export function describeSoftware(proxy: { software: string; version: string }): Software {
  const { version }: { version: string } = JSON.parse(read(join(packageRoot, 'package.json')))
  return {
    meshaccel: version,
    [proxy.software]: proxy.version,
    nginx: versionOf('nginx', '-v'),
    h2load: versionOf('h2load', '--version'),
    node: process.version.slice(1),
  }
}

/** The version number from a program's output on either stream. */
export function versionOf(program: string, option: string): string {
  const output = systemCommand('bash', ['-c', '"$0" "$1" 2>&1', program, option])
  return /\d+\.\d+[\w.+~-]*/.exec(output)?.[0] ?? 'unknown'
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
