/**
 * The directory of the pins, and what may be in it:
 *
 *     PIN/<hash>              a version's pins, complete
 *     PIN/leaving-<hash>-<n>  the same, set aside: its last members have bytes unread, and it is not adopted again
 *     PIN/partial             a version's pins that are not complete yet, or no more
 *
 * One rename makes a partial directory complete, and the reverse: whoever dies leaves one that the next one removes.
 * A self-test has a directory like it beside PIN. Only pins of objects whose name in the kernel begins with
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
 * Makes the directory of the pins if need be and takes the right to work on it, until disposed of: two agents on the
 * same maps would move the same connections at once. Throws AGENT_RUNNING when somebody else has it, BAD_PINS when it
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
    // The holder before may have removed it between the open and the lock.
    const found = statSync(pinDir, { throwIfNoEntry: false })
    if (fstatSync(directory.number).ino === found?.ino) return directory
    directory[Symbol.dispose]()
  }
}

/** Sysfs, where no bpffs is mounted, answers with an errno that explains nothing. */
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

/** Whether it is a directory of ours: everybody may make one on bpffs. */
function isOwn(path: string): boolean {
  const found = lstatSync(path)
  return found.isDirectory() && found.uid === process.geteuid?.()
}

/** Complete directories of pins: of this version and of others, those that were set aside last. */
export function pinnedVersions(pinDir: string): string[] {
  const names = list(pinDir)
  return [VERSION, LEAVING].flatMap((pattern) =>
    names.filter((name) => pattern.test(name)).map((name) => join(pinDir, name)),
  )
}

/** Whether it was set aside. */
export function isLeaving(version: string): boolean {
  return LEAVING.test(basename(version))
}

/** Sets a version aside. Returns where it is now. */
export function setAside(version: string): string {
  const name = join(dirname(version), `leaving-${basename(version)}-`)
  let number = 1
  while (existsSync(`${name}${number}`)) number++
  renameSync(version, `${name}${number}`)
  return `${name}${number}`
}

/** Whether the directory is there and holds pins of all these names. */
export function holdsPins(directory: string, names: readonly string[]): boolean {
  const found = new Set(list(directory))
  return names.every((name) => found.has(name))
}

/** An empty PIN/partial. */
export function makePartial(pinDir: string): string {
  removePartial(pinDir)
  const partial = join(pinDir, PARTIAL)
  makeDirectory(partial, 0o700)
  return partial
}

/** PIN/partial is complete: puts it into place as this version. */
export function completePartial(pinDir: string, version: string): void {
  renameSync(join(pinDir, PARTIAL), version)
}

/** Removes PIN/partial, what an agent that died has left half done, whether it came or went: it has no member. */
export function removePartial(pinDir: string): void {
  removePins(join(pinDir, PARTIAL))
}

/** A new directory beside PIN for the pins of a self-test. */
export function makeSelfTestPins(pinDir: string): string {
  makeDirectory(dirname(pinDir), 0o700)
  return mkdtempSync(`${pinDir}${SELF_TEST}${process.pid}-`)
}

/** Removes what agents that died in their self-test have left beside PIN. */
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

/** Removes all that is ours in a directory of pins without a member, and then itself. */
export function removeAll(pinDir: string): void {
  for (const version of pinnedVersions(pinDir)) removeVersion(version)
  removePartial(pinDir)
  removeEmpty(pinDir)
}

/** Removes the directory of the pins, if it is empty. Returns what is left in it. */
export function removeEmpty(pinDir: string): string[] {
  const left = list(pinDir)
  if (left.length === 0 && existsSync(pinDir)) rmdirSync(pinDir)
  return left
}

/** Throws FOREIGN_PINS, and what to do, when something in the directory is not ours. */
export function assertOurs(directory: string): void {
  const foreign = list(directory).filter((name) => pinOf(join(directory, name)) === undefined)
  if (foreign.length === 0) return
  throw new MeshaccelError(`${foreign.join(', ')} in it is not ours`, {
    code: 'FOREIGN_PINS',
    operation: `remove ${directory}`,
    hint: 'Nothing was removed. Move that elsewhere, or remove it by hand, and try again.',
  })
}

/** Whether a program of the directory is attached, or may be run. */
export function hasLinks(directory: string): boolean {
  return list(directory).some((name) => pinOf(join(directory, name)) === 'link')
}

/** The kind of a pin of ours; undefined for everything else. */
function pinOf(path: string): 'map' | 'program' | 'link' | undefined {
  if (!lstatSync(path).isFile()) return undefined
  const { kind, name } = inspectPin(path)
  return name.startsWith('meshaccel_') ? kind : undefined
}

/** Unpins what is in the directory, attachments first. Idempotent. */
function removePins(directory: string): void {
  assertOurs(directory)
  const names = list(directory)
  const first = ['watch', 'verdict', 'splice', 'splice_call', 'received', 'closed']
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
