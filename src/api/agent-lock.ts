import { spawnSync } from 'node:child_process'
import { closeSync, fstatSync, lstatSync, mkdirSync, openSync, rmSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { errnoOf, messageOf } from '../errno.ts'
import { MeshaccelError } from '../errors.ts'

/** sun_path holds 108 bytes, the closing 0 included. */
const maxSocketPathBytes = 107

/**
 * Takes the right to be the one agent behind a socket, until disposed of or the process ends, however it ends.
 * It is a flock(2) on `SOCKET.lock`, so that two agents that start at the same moment cannot both win and nothing is
 * left to clean up after a crash. A dead agent's socket is removed.
 *
 * Throws AGENT_RUNNING when another process has it, BAD_SOCKET when there can be no socket at the path.
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
  const lockPath = `${socketPath}.lock`
  try {
    mkdirSync(dirname(socketPath), { recursive: true, mode: 0o700 })
    const fd = lockFile(lockPath, operation)
    try {
      removeStale(socketPath, operation)
    } catch (error) {
      unlock(fd, lockPath)
      throw error
    }
    let held = true
    return {
      [Symbol.dispose]: () => {
        if (held) unlock(fd, lockPath)
        held = false
      },
    }
  } catch (error) {
    if (error instanceof MeshaccelError) throw error
    throw new MeshaccelError(errnoOf(error) === 'EACCES' ? 'permission denied' : messageOf(error), {
      code: 'BAD_SOCKET',
      operation,
      hint: 'Run as root, or name another path with --socket.',
      cause: error,
    })
  }
}

function lockFile(path: string, operation: string): number {
  for (;;) {
    const fd = openSync(path, 'a', 0o600)
    if (!flock(fd)) {
      closeSync(fd)
      throw new MeshaccelError('another meshaccel agent is running', {
        code: 'AGENT_RUNNING',
        operation,
        hint: 'See it with `meshaccel status`; stop it first, or give this one its own --socket and --pin.',
      })
    }
    // The holder before may have removed the file between the open and the lock.
    if (fstatSync(fd).ino === statSync(path, { throwIfNoEntry: false })?.ino) return fd
    closeSync(fd)
  }
}

/** The lock belongs to the open file, which the command shares with this process and outlives. */
function flock(fd: number): boolean {
  const { status, error } = spawnSync('flock', ['--exclusive', '--nonblock', '3'], {
    stdio: ['ignore', 'ignore', 'ignore', fd],
  })
  if (error) {
    throw new MeshaccelError('cannot run flock', {
      code: 'NO_FLOCK',
      operation: 'lock the control socket',
      hint: 'Install util-linux.',
      cause: error,
    })
  }
  return status === 0
}

function unlock(fd: number, path: string): void {
  rmSync(path, { force: true })
  closeSync(fd)
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
