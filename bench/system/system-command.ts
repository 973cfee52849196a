import { spawnSync, type SpawnSyncOptionsWithStringEncoding } from 'node:child_process'
import { MeshaccelError } from '../../src/lib/errors.ts'

/**
 * Runs a short command and returns its output. The command has a session of its own: a terminal sends Ctrl-C to the
 * whole foreground group, which would stop the command half way.
 */
export function systemCommand(command: string, args: readonly string[], input = ''): string {
  const options: SpawnSyncOptionsWithStringEncoding & { detached: boolean } = {
    encoding: 'utf8',
    detached: true,
    input,
    maxBuffer: 64 << 20,
    timeout: 60_000,
  }
  const result = spawnSync(command, args, options)
  const operation = `run ${[command, ...args].join(' ')}`
  if (result.error) {
    const missing = 'code' in result.error && result.error.code === 'ENOENT'
    throw new MeshaccelError(result.error.message, {
      code: 'COMMAND_FAILED',
      operation,
      hint: missing ? 'Run `npm run setup`, which installs what is missing.' : undefined,
      cause: result.error,
    })
  }
  if (result.status !== 0) {
    throw new MeshaccelError(`exit ${result.status ?? result.signal}: ${result.stderr.trim()}`, {
      code: 'COMMAND_FAILED',
      operation,
    })
  }
  return result.stdout
}
