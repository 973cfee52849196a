import { accessSync, chmodSync, constants, copyFileSync, existsSync, statSync } from 'node:fs'
import { basename, delimiter, join } from 'node:path'
import { systemCommand } from '../system/system-command.ts'

/** The first executable of this name on the PATH. */
export function fromPath(name: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return folders.map((folder) => join(folder, name)).find(isExecutable)
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** The path itself if this user can run it, otherwise a copy in the directory. */
export function runnableBy(uid: number, path: string, directory: string): string {
  if (canRun(uid, path)) return path
  // The binary may be in a home directory that other users cannot enter.
  const copy = join(directory, basename(path))
  // Another sidecar may already run the copy, and then it cannot be written.
  if (!existsSync(copy)) copyFileSync(path, copy)
  chmodSync(copy, 0o755)
  return copy
}

function canRun(uid: number, path: string): boolean {
  try {
    const identity = [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups']
    systemCommand('setpriv', [...identity, 'test', '-x', path])
    return true
  } catch {
    return false
  }
}
