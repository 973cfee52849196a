import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { patience } from '../../helpers/retry.ts'

/** Runs a program from PATH on the cluster of $KUBECONFIG. Rejects with its error output. */
export function run(
  command: 'kubectl' | 'helm' | 'meshaccel',
  args: readonly string[],
  input = '',
): Promise<string> {
  const options = { timeout: 300_000 * patience, maxBuffer: 64 << 20 }
  return new Promise((resolve, reject) => {
    const child = execFile(command, args, options, (error, stdout, stderr) => {
      if (error) reject(new Error(`${command} ${args.join(' ')}: ${stderr || error.message}`))
      else resolve(stdout)
    })
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input)
  })
}

export const kubectl = (...args: readonly string[]): Promise<string> => run('kubectl', args)

/** The object or the list from `kubectl get ARGUMENTS`, in the shape that the API promises. */
export async function getObjects<T>(...args: readonly string[]): Promise<T> {
  const objects: T = JSON.parse(await kubectl('get', '-o', 'json', ...args))
  return objects
}

/** Creates or changes objects. */
export async function apply(...objects: readonly object[]): Promise<void> {
  const list = { apiVersion: 'v1', kind: 'List', items: objects }
  await run('kubectl', ['apply', '-f', '-'], JSON.stringify(list))
}

/** The lines of JSON that a program in a pod prints, from now on. */
export class Lines<Line> implements Disposable {
  readonly #process: ChildProcess
  readonly lines: Line[] = []
  #stderr = ''

  constructor(...args: readonly string[]) {
    this.#process = spawn('kubectl', args, { stdio: ['ignore', 'pipe', 'pipe'] })
    const { stdout, stderr } = this.#process
    if (!stdout || !stderr) throw new Error('kubectl has no output')
    createInterface({ input: stdout }).on('line', (text) => {
      const line: Line = JSON.parse(text)
      this.lines.push(line)
    })
    stderr.on('data', (text: Buffer) => (this.#stderr += text.toString()))
  }

  get last(): Line | undefined {
    if (this.#process.exitCode !== null) throw new Error(`kubectl has ended: ${this.#stderr}`)
    return this.lines.at(-1)
  }

  [Symbol.dispose](): void {
    this.#process.kill()
  }
}
