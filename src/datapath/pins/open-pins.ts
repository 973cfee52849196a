import { join } from 'node:path'
import { BpfMap, bytes, u64 } from 'libbpf'
import { MeshaccelError } from '../../lib/errors.ts'
import { hasLinks } from './pin-directory.ts'
import { Pins } from './programs.ts'

/** The pins of a version. Undefined if they are incomplete and certainly have no member. */
export function openPins(version: string): Pins | undefined {
  try {
    return new Pins(version)
  } catch (cause) {
    if (isEmpty(version)) return undefined
    throw new MeshaccelError('its pins are not those that this version can drain', {
      code: 'UNKNOWN_PINS',
      operation: `drain ${version}`,
      hint:
        'Run `meshaccel cleanup` of the version that made them. Or end the connections of all enrolled pods, and remove ' +
        'the directory by hand: bytes that wait unread in a connection would be lost.',
      cause,
    })
  }
}

/** Whether incomplete pins certainly have no member. */
function isEmpty(version: string): boolean {
  if (!hasLinks(version)) return true
  try {
    using members = BpfMap.fromPin(join(version, 'members'), bytes(8), u64)
    return members.keys().next().done === true
  } catch {
    return false
  }
}
