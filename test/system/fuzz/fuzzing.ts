import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { build } from 'esbuild'
import { packageRoot } from '../../../src/lib/package.ts'

const here = dirname(new URL(import.meta.url).pathname)
const jsfuzz = createRequire(import.meta.url).resolve('jsfuzz/build/src/index.js')

/** The time limit for jsfuzz to instrument a target, and to end. */
const startMs = 120_000
const endMs = 10_000

/** The parsers of foreign input: modules in targets/ whose `fuzz` throws if its parser breaks its promise. */
export const targets: readonly string[] = readdirSync(join(here, 'targets')).map((file) =>
  basename(file, '.ts'),
)

/** The directory of inputs that reached code which no earlier input had reached. */
export const corpusOf = (target: string): string => join(packageRoot, 'test/fixtures/fuzz', target)

/** The result: the fuzzer's last line, and the input that broke the promise, if one did. */
export interface Found {
  readonly summary: string
  readonly crash?: Uint8Array
  readonly output: string
}

/**
 * Fuzzes one target with jsfuzz, which is guided by the branches that an input reaches. It starts from the corpus and
 * writes new inputs into `findings`.
 */
export async function fuzz(target: string, seconds: number, findings: string): Promise<Found> {
  // jsfuzz writes into the current directory.
  const directory = mkdtempSync(join(tmpdir(), 'meshaccel-fuzz-'))
  try {
    await bundle(target, join(directory, 'target.cjs'))
    mkdirSync(findings, { recursive: true })
    mkdirSync(corpusOf(target), { recursive: true })
    // Its versifier, which learns the grammar of texts, takes gigabytes for other inputs.
    const args = [jsfuzz, 'target.cjs', findings, corpusOf(target), '--no-versifier']
    // A test runner adds its own loader to child processes. Then jsfuzz would not see the loaded code.
    const clean = ['-i', `PATH=${process.env['PATH']}`, process.execPath]
    // Its first input includes the time to instrument the target, which is long on a busy machine.
    const child = spawn('env', [...clean, ...args, '--timeout=60'], {
      cwd: directory,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    let output = ''
    // Instrumenting the target takes some seconds, which do not count.
    let begin: (() => void) | undefined
    const begun = new Promise<void>((resolve) => (begin = resolve))
    const note = (data: Buffer): void => {
      output += data.toString()
      if (output.includes('#1 ')) begin?.()
    }
    child.stdout.on('data', note)
    child.stderr.on('data', note)
    const ended = new Promise<void>((resolve) => {
      child.on('close', () => resolve())
    })
    const signal = (name: NodeJS.Signals): void => {
      if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, name)
    }
    await Promise.race([ended, begun, sleep(startMs, undefined, { ref: false })])
    await Promise.race([ended, sleep(seconds * 1000, undefined, { ref: false })])
    // Its worker ends at the next input, and then jsfuzz ends.
    signal('SIGINT')
    const killer = setTimeout(() => signal('SIGKILL'), endMs)
    await ended
    clearTimeout(killer)
    const summary = output.match(/^#.*$/gm)?.at(-1) ?? output.trim()
    const crash = readdirSync(directory).find((name) => name.startsWith('crash-'))
    if (crash === undefined && child.exitCode !== 0) throw new Error(`jsfuzz failed: ${output}`)
    return {
      summary,
      output,
      ...(crash !== undefined && { crash: readFileSync(join(directory, crash)) }),
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** One file in CommonJS, which jsfuzz instruments when it requires it. */
async function bundle(target: string, outfile: string): Promise<void> {
  await build({
    entryPoints: [join(here, 'targets', `${target}.ts`)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    logLevel: 'error',
    // For src/lib/package.ts, which looks for package.json above its own file.
    define: {
      'import.meta.url': JSON.stringify(`file://${join(packageRoot, 'src/lib/package.ts')}`),
    },
  })
}
