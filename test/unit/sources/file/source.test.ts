import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import type { ObservedPod } from '../../../../src/pods/observed-pod.ts'
import { FileSource } from '../../../../src/sources/file/source.ts'
import type { PodsFileError } from '../../../../src/sources/file/pods-file-error.ts'

const file = (...names: string[]): string =>
  JSON.stringify({ pods: names.map((name) => ({ namespace: 'a', name, netns: '/n' })) })

/** A source with a listener, and a way to wait for its next report. */
function watched(t: Test, path: string): { next: () => Promise<string> } {
  const source = new FileSource(path)
  // A source alone does not keep a process alive.
  const alive = setInterval(() => undefined, 60_000)
  t.teardown(() => {
    clearInterval(alive)
    source[Symbol.dispose]()
  })
  source.read()
  const told: string[] = []
  let wake: (() => void) | undefined
  const tell = (what: string): void => {
    told.push(what)
    wake?.()
  }
  source.watch({
    pods: (pods: readonly ObservedPod[]) => tell(pods.map(({ name }) => name).join(' ')),
    failed: (error: PodsFileError) => tell(error.message),
  })
  const next = async (): Promise<string> => {
    while (told.length === 0) {
      await new Promise<void>((resolve) => (wake = resolve))
    }
    return told.shift() ?? ''
  }
  return { next }
}

void test('sees a file written in place', async (t) => {
  const path = join(t.testdir({ 'pods.yaml': file('one') }), 'pods.yaml')
  const { next } = watched(t, path)
  writeFileSync(path, file('one', 'two'))
  t.equal(await next(), 'one two')
})

void test('sees a file replaced by rename, again and again', async (t) => {
  const path = join(t.testdir({ 'pods.yaml': file('one') }), 'pods.yaml')
  const { next } = watched(t, path)
  for (const name of ['two', 'three', 'four']) {
    writeFileSync(`${path}.new`, file(name))
    renameSync(`${path}.new`, path)
    t.equal(await next(), name)
  }
})

void test('sees a change behind a symlink, as Kubernetes mounts make it', async (t) => {
  const directory = t.testdir({
    one: { 'pods.yaml': file('one') },
    two: { 'pods.yaml': file('two') },
  })
  symlinkSync('one', join(directory, 'data'))
  symlinkSync('data/pods.yaml', join(directory, 'pods.yaml'))
  const { next } = watched(t, join(directory, 'pods.yaml'))
  symlinkSync('two', join(directory, 'new'))
  renameSync(join(directory, 'new'), join(directory, 'data'))
  t.equal(await next(), 'two')
})

void test('tells of a bad file once, and of the repaired one', async (t) => {
  const path = join(t.testdir({ 'pods.yaml': file('one') }), 'pods.yaml')
  const { next } = watched(t, path)
  writeFileSync(path, 'pods: 1')
  t.match(await next(), 'pods.yaml:1:7: `pods` must be a list')
  rmSync(path)
  t.match(await next(), 'pods.yaml: no such file')
  writeFileSync(path, file('one'))
  t.equal(await next(), 'one')
})

void test('outlives the directory', async (t) => {
  const directory = join(t.testdir({ etc: { 'pods.yaml': file('one') } }), 'etc')
  const path = join(directory, 'pods.yaml')
  const { next } = watched(t, path)
  rmSync(directory, { recursive: true })
  t.match(await next(), 'no such file')
  mkdirSync(directory)
  writeFileSync(path, file('two'))
  t.equal(await next(), 'two')
})

void test('says clearly what cannot be read', async (t) => {
  const directory = t.testdir({ latin: Buffer.from([0x70, 0xe9]) })
  t.throws(() => new FileSource(join(directory, 'none')).read(), {
    message: `read pods file ${directory}/none: no such file`,
  })
  t.throws(() => new FileSource(directory).read(), { message: /: is a directory$/ })
  t.throws(() => new FileSource(join(directory, 'latin')).read(), { message: /: not UTF-8 text$/ })
})
