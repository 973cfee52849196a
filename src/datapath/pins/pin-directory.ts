/**
 * The directory of the pins, and what may be in it:
 *
 *     PIN/<hash>              a version's pins, complete
 *     PIN/leaving-<hash>-<n>  the same, set aside: its last members have unread bytes, and no agent adopts it
 *     PIN/partial             a version's pins, half made or half removed
 *
 * One rename turns a partial directory into a complete one, or back. If an agent dies, the next agent removes the
 * partial directory. A self-test has such a directory beside PIN. Only pins of kernel objects whose name begins with
 * `meshaccel_` are ever removed.
 */

import {
  chmodSync,
  existsSync,
  fstatSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmdirSync,
  statSync,
  unlinkSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { messageOf } from '../../lib/errno.ts'
import { MeshaccelError } from '../../lib/errors.ts'
import { makeDirectory } from '../../lib/make-directory.ts'
import { inspectPin, openFd, tryLock } from 'libbpf'
import { isBpffs } from './bpffs.ts'

const PARTIAL = 'partial'
const SELF_TEST = '-selftest-'
const VERSION = /^[0-9a-f]{16}$/
const LEAVING = /^leaving-[0-9a-f]{16}-\d+$/

/**
 * Creates the directory of the pins if necessary, and holds its lock until disposed of. Two agents on the same maps
 * would move the same connections at once. Throws AGENT_RUNNING if another process holds the lock, and BAD_PINS if this
 * is not a directory of ours on bpffs.
 */
export function lockPins(pinDir: string): Disposable {
  for (;;) {
    makePinDirectory(pinDir)
    assertUsable(pinDir)
    const directory = openFd(pinDir)
    if (!tryLock(directory)) {
      directory[Symbol.dispose]()
      throw new MeshaccelError('another meshaccel agent uses it', {
        code: 'AGENT_RUNNING',
        operation: `take the pins in ${pinDir}`,
        hint: 'Stop that agent first, or give this one its own --pin.',
      })
    }
    // The previous holder may have removed the directory between the open and the lock.
    const found = statSync(pinDir, { throwIfNoEntry: false })
    if (fstatSync(directory.number).ino === found?.ino) return directory
    directory[Symbol.dispose]()
  }
}

/** If no bpffs is mounted, sysfs answers with an errno that explains nothing. */
function makePinDirectory(pinDir: string): void {
  try {
    makeDirectory(pinDir, 0o700)
  } catch (cause) {
    throw badPins(
      pinDir,
      `it cannot be made: ${messageOf(cause)}`,
      'Is bpffs mounted there? `mount -t bpf bpf /sys/fs/bpf` does it; `meshaccel doctor` knows.',
      cause,
    )
  }
}

const badPins = (pinDir: string, what: string, hint: string, cause?: unknown): MeshaccelError =>
  new MeshaccelError(what, {
    code: 'BAD_PINS',
    operation: `use the pins in ${pinDir}`,
    hint,
    cause,
  })

function assertUsable(pinDir: string): void {
  if (!isBpffs(pinDir)) {
    throw badPins(pinDir, 'it is not on bpffs', 'Name a directory below /sys/fs/bpf with --pin.')
  }
  if (!isOwn(pinDir)) {
    throw badPins(
      pinDir,
      'it is a link, or belongs to somebody else',
      'Find out who made it, remove it, or name another one with --pin.',
    )
  }
  chmodSync(pinDir, 0o700)
}

/** Whether the directory belongs to this user: any user may create one on bpffs. */
function isOwn(path: string): boolean {
  const found = lstatSync(path)
  return found.isDirectory() && found.uid === process.geteuid?.()
}

/** Complete directories of pins, of this version and of others. Versions that were set aside come last. */
export function pinnedVersions(pinDir: string): string[] {
  const names = list(pinDir)
  return [VERSION, LEAVING].flatMap((pattern) =>
    names.filter((name) => pattern.test(name)).map((name) => join(pinDir, name)),
  )
}

/** Whether the version was set aside. */
export function isLeaving(version: string): boolean {
  return LEAVING.test(basename(version))
}

/** Sets a version aside. Returns its new path. */
export function setAside(version: string): string {
  const name = join(dirname(version), `leaving-${basename(version)}-`)
  let number = 1
  while (existsSync(`${name}${number}`)) number++
  renameSync(version, `${name}${number}`)
  return `${name}${number}`
}

/** Whether the directory exists and holds pins with all these names. */
export function holdsPins(directory: string, names: readonly string[]): boolean {
  const found = new Set(list(directory))
  return names.every((name) => found.has(name))
}

/** Creates an empty PIN/partial and returns its path. */
export function makePartial(pinDir: string): string {
  removePartial(pinDir)
  const partial = join(pinDir, PARTIAL)
  makeDirectory(partial, 0o700)
  return partial
}

/** Renames the complete PIN/partial to `version`. */
export function completePartial(pinDir: string, version: string): void {
  renameSync(join(pinDir, PARTIAL), version)
}

/** Removes PIN/partial, which an agent that died has left half made or half removed. It has no member. */
export function removePartial(pinDir: string): void {
  removePins(join(pinDir, PARTIAL))
}

/** A new directory beside PIN for the pins of a self-test. */
export function makeSelfTestPins(pinDir: string): string {
  makeDirectory(dirname(pinDir), 0o700)
  return mkdtempSync(`${pinDir}${SELF_TEST}${process.pid}-`)
}

/** Removes what agents left beside PIN when they died during their self-test. */
export function removeDeadSelfTests(pinDir: string): void {
  const prefix = `${basename(pinDir)}${SELF_TEST}`
  for (const name of list(dirname(pinDir))) {
    const path = join(dirname(pinDir), name)
    const dead = !existsSync(`/proc/${Number.parseInt(name.slice(prefix.length))}`)
    if (name.startsWith(prefix) && dead && isOwn(path)) removeAll(path)
  }
}

/** Removes a version from the kernel. */
export function removeVersion(version: string): void {
  assertOurs(version)
  const pinDir = dirname(version)
  removePartial(pinDir)
  renameSync(version, join(pinDir, PARTIAL))
  removePartial(pinDir)
}

/** Removes all our pins from a directory without members, then the directory. */
export function removeAll(pinDir: string): void {
  for (const version of pinnedVersions(pinDir)) removeVersion(version)
  removePartial(pinDir)
  removeEmpty(pinDir)
}

/** Removes the directory of the pins if it is empty. Returns the names that are left in it. */
export function removeEmpty(pinDir: string): string[] {
  const left = list(pinDir)
  if (left.length === 0 && existsSync(pinDir)) rmdirSync(pinDir)
  return left
}

/** Throws FOREIGN_PINS if something in the directory is not ours. Its hint says what to do. */
export function assertOurs(directory: string): void {
  const foreign = list(directory).filter((name) => pinOf(join(directory, name)) === undefined)
  if (foreign.length === 0) return
  throw new MeshaccelError(`${foreign.join(', ')} in it is not ours`, {
    code: 'FOREIGN_PINS',
    operation: `remove ${directory}`,
    hint: 'Nothing was removed. Move that elsewhere, or remove it by hand, and try again.',
  })
}

/** Whether the directory has a link: a program that is attached, or an iterator. */
export function hasLinks(directory: string): boolean {
  return list(directory).some((name) => pinOf(join(directory, name)) === 'link')
}

/** The kind of one of our pins; undefined for everything else. */
function pinOf(path: string): 'map' | 'program' | 'link' | undefined {
  if (!lstatSync(path).isFile()) return undefined
  const { kind, name } = inspectPin(path)
  return name.startsWith('meshaccel_') ? kind : undefined
}

/** Unpins everything in the directory, links first. Idempotent. */
function removePins(directory: string): void {
  assertOurs(directory)
  const names = list(directory)
  const receives = ['received', 'received_v4', 'received_v6']
  const first = ['watch', 'verdict', 'splice', 'splice_call', ...receives, 'closed']
  const order = [
    ...first.filter((name) => names.includes(name)),
    ...names.filter((name) => !first.includes(name)),
  ]
  for (const name of order) unlinkSync(join(directory, name))
  if (existsSync(directory)) rmdirSync(directory)
}

function list(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : []
}
