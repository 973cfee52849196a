import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const models = new URL('../../model/', import.meta.url).pathname
/** For each check; the largest takes a third of it. */
const memoryMiB = 2000

/** A model with these definitions, checked to the last state or to the first failure; returns what pan reports. */
export async function checkModel(name: string, definitions: string): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'meshaccel-model-'))
  const options = { cwd: directory }
  const defines = definitions.split(' ').map((definition) => `-D${definition}`)
  try {
    await run('spin', ['-a', ...defines, join(models, `${name}.pml`)], options)
    const pan = ['-O1', '-DSAFETY', '-DCOLLAPSE', `-DMEMLIM=${memoryMiB}`, '-o', 'pan', 'pan.c']
    await run('gcc', pan, options)
    const { stdout } = await run(join(directory, 'pan'), ['-m20000', '-n'], options)
    return stdout
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
