import { execFileSync } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tap from 'tap'
import { requireRoot } from './requirements.ts'

const PACKAGE = new URL('..', import.meta.url).pathname

/** The examples in a project of their own, where `libbpf` is this package and the BPF programs are built. */
function project(): string {
  const directory = mkdtempSync(join(tmpdir(), 'libbpf-test-examples-'))
  try {
    cpSync(join(PACKAGE, 'examples'), join(directory, 'examples'), {
      recursive: true,
      filter: (path) => !/\.bpf\.o$|vmlinux\.h$/.test(path),
    })
    writeFileSync(join(directory, 'package.json'), '{ "type": "module" }')
    mkdirSync(join(directory, 'node_modules'))
    symlinkSync(PACKAGE, join(directory, 'node_modules/libbpf'))
    execFileSync('sh', [join(directory, 'examples/build.sh')])
    return directory
  } catch (error) {
    rmSync(directory, { recursive: true })
    throw error
  }
}

if (requireRoot(tap)) {
  const directory = project()
  tap.teardown(() => rmSync(directory, { recursive: true }))

  const run = (name: string, ...options: string[]): string =>
    execFileSync(
      process.execPath,
      ['--import=tsx', join(directory, 'examples', `${name}.ts`), ...options],
      { encoding: 'utf8' },
    )

  const expected: Readonly<Record<string, (output: string) => unknown>> = {
    opens: (output) => tap.match(output, /^counting for 0\.1 s, program \d+\n( +\d+ \S.*\n)*$/),
    tasks(output) {
      tap.match(output, new RegExp(`^ *${process.pid} +${process.ppid} \\S`, 'm'), 'this test')
      tap.match(output, new RegExp(`^ *\\d+ +${process.pid} \\S`, 'm'), 'the example')
    },
    execs(output) {
      tap.match(output, /^\d+\.\d{6} \d+ true$/m)
      tap.match(output, /^program \d+ lost 0 events$/m)
    },
    firewall(output) {
      const [, ...lines] = output.trimEnd().split('\n')
      tap.strictSame(lines, [
        'inside of the cgroup: refused',
        'outside: connected',
        'refused 1 times',
      ])
    },
  }
  const options: Readonly<Record<string, readonly string[]>> = { opens: ['0.1'], execs: ['true'] }

  void tap.test('the README shows the program of an example', async (t) => {
    const readme = readFileSync(join(PACKAGE, 'README.md'), 'utf8')
    const shown = /```c\n([^]*?)```/.exec(readme)?.[1]
    const source = readFileSync(join(PACKAGE, 'examples/opens.bpf.c'), 'utf8')
    t.equal(shown, source.slice(source.indexOf('#include')))
    for (const name of Object.keys(expected)) t.ok(readme.includes(`(examples/${name}.ts)`), name)
  })

  void tap.test('every example runs, ends, and tells what it found', async (t) => {
    const names = readdirSync(join(PACKAGE, 'examples'))
      .filter((name) => name.endsWith('.ts'))
      .map((name) => name.replace(/\.ts$/, ''))
    t.strictSame(names.toSorted(), Object.keys(expected).toSorted())
    for (const name of names) expected[name]?.(run(name, ...(options[name] ?? [])))
  })
}
