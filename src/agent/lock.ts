import { fstatSync, lstatSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { errnoOf, messageOf } from '../lib/errno.ts'
import { isExplained, MeshaccelError } from '../lib/errors.ts'
import { makeDirectory } from '../lib/make-directory.ts'
import { openFd, tryLock } from 'libbpf'

/** sun_path holds 108 bytes including the final 0. */
const maxSocketPathBytes = 107

/**
 * Takes the lock for the only agent at a socket. It lasts until disposed of, or until the process ends in any way. It
 * is a flock(2) on `SOCKET.lock`: two agents that start together cannot both get it, and a crash leaves nothing to
 * clean up. Removes a dead agent's socket.
 *
 * Throws AGENT_RUNNING if another process holds the lock, BAD_SOCKET if the path cannot have a socket.
 */
export function lockAgent(socketPath: string): Disposable {
  const operation = `take control socket ${socketPath}`
  if (Buffer.byteLength(socketPath) > maxSocketPathBytes) {
    throw new MeshaccelError(`the path is longer than ${maxSocketPathBytes} bytes`, {
      code: 'BAD_SOCKET',
      operation,
      hint: 'Name a shorter one with --socket.',
    })
  }
  try {
    makeDirectory(dirname(socketPath), 0o700)
    const lock = lockFile(`${socketPath}.lock`, operation)
    try {
      removeStale(socketPath, operation)
    } catch (error) {
      lock[Symbol.dispose]()
      throw error
    }
    return lock
  } catch (error) {
    if (isExplained(error)) throw error
    throw new MeshaccelError(errnoOf(error) === 'EACCES' ? 'permission denied' : messageOf(error), {
      code: 'BAD_SOCKET',
      operation,
      hint: 'Run as root, or name another path with --socket.',
      cause: error,
    })
  }
}

function lockFile(path: string, operation: string): Disposable {
  for (;;) {
    writeFileSync(path, '', { flag: 'a', mode: 0o600 })
    const file = openIfThere(path)
    if (!file) continue
    if (!tryLock(file)) {
      file[Symbol.dispose]()
      throw new MeshaccelError('another meshaccel agent is running', {
        code: 'AGENT_RUNNING',
        operation,
        hint: 'See it with `meshaccel status`; stop it first, or give this one its own --socket and --pin.',
      })
    }
    // The previous holder may have removed the file between the open and the lock.
    if (fstatSync(file.number).ino === statSync(path, { throwIfNoEntry: false })?.ino) {
      return {
        [Symbol.dispose]: () => {
          if (!file.disposed) rmSync(path, { force: true })
          file[Symbol.dispose]()
        },
      }
    }
    file[Symbol.dispose]()
  }
}

/** Returns undefined if the previous holder has just removed the file. */
function openIfThere(path: string): ReturnType<typeof openFd> | undefined {
  try {
    return openFd(path)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}

function removeStale(socketPath: string, operation: string): void {
  const found = lstatSync(socketPath, { throwIfNoEntry: false })
  if (!found) return
  if (!found.isSocket()) {
    throw new MeshaccelError('something else than a socket is there', {
      code: 'BAD_SOCKET',
      operation,
      hint: 'Remove it, or name another path with --socket.',
    })
  }
  rmSync(socketPath)
}
