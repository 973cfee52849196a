import { dirname } from 'node:path'
import type { Finding, Level, Place } from '../preflight/finding.ts'
import { examine, refuse } from '../preflight/preflight.ts'
import type { CliEnvironment } from './environment.ts'

/** Throws NOT_ON_THIS_MACHINE where something of these levels is missing; tests with parts of their own need no machine. */
export function checkMachine(
  environment: CliEnvironment,
  place: Place,
  levels: readonly Level[] = ['fatal'],
): readonly Finding[] {
  if (environment.agentParts) return []
  const findings = examine(place)
  refuse(findings, levels)
  return findings
}

/** The same for a command that works on the pins in place of an agent. */
export function checkForRemoval(
  environment: CliEnvironment,
  { pin, socket }: { readonly pin: string; readonly socket: string },
): void {
  const place: Place = { purpose: 'cleanup', pinDir: pin, writes: [dirname(socket)] }
  checkMachine(environment, place, ['fatal', 'refused'])
}
