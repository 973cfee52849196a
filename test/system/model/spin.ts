import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { freemem, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test } from 'tap'

const run = promisify(execFile)
const models = new URL('../../../model/', import.meta.url).pathname
/** Memory for each check. The largest one takes two thirds of it, and compressed a third of that. */
const memoryMiB = 3000
/** Compressing the states takes half as much time again, so it is for machines without this memory for two checks. */
const compress = freemem() < 3 * memoryMiB * 2 ** 20 ? ['-DCOLLAPSE'] : []

/**
 * Checks a model with these definitions to the last state or the first failure. Returns pan's report. Optimizing takes
 * longer than a failure needs to show.
 */
async function checkModel(
  name: string,
  definitions: string,
  optimize: '-O0' | '-O1',
): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'meshaccel-model-'))
  const options = { cwd: directory }
  const defines = definitions.split(' ').map((definition) => `-D${definition}`)
  try {
    await run('spin', ['-a', ...defines, join(models, `${name}.pml`)], options)
    const pan = [optimize, '-DSAFETY', ...compress, `-DMEMLIM=${memoryMiB}`, '-o', 'pan', 'pan.c']
    await run('gcc', pan, options)
    const { stdout } = await run(join(directory, 'pan'), ['-m20000', '-n'], options)
    return stdout
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** A name and the definitions with which nothing goes wrong. */
type Holding = readonly [what: string, definitions: string]
/** The removed part, the expected failure, and the definitions. */
type Failing = readonly [part: string, failure: string, definitions: string]

/** Tests that the model holds, with a complete search. Tests that each part is needed: without it its failure shows. */
export function testModel(
  name: string,
  [promise, holds]: readonly [string, readonly Holding[]],
  [reverse, fails]: readonly [string, readonly Failing[]],
): void {
  void test(promise, { jobs: 2 }, async (t) => {
    for (const [what, definitions] of holds) {
      void t.test(what, { buffered: true }, async (sub) => {
        const report = await checkModel(name, definitions, '-O1')
        sub.match(report, /errors: 0\b/)
        sub.notMatch(report, /error:|limit|too small|not completed/, 'it was searched to the end')
      })
    }
  })
  void test(reverse, { jobs: 2 }, async (t) => {
    for (const [part, failure, definitions] of fails) {
      void t.test(`without ${part} something is ${failure}`, { buffered: true }, async (sub) => {
        sub.match(await checkModel(name, definitions, '-O0'), `assertion violated  !(${failure})`)
      })
    }
  })
}
