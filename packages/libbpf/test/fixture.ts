import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { Test } from 'tap'
import { BpfObject, type LoadedObject, type OpenObject } from '../src/index.ts'

const ROOT = new URL('../../../', import.meta.url).pathname
const FIXTURES = new URL('fixtures/', import.meta.url).pathname
const ARCH: Readonly<Record<string, string>> = { x64: 'x86', arm64: 'arm64' }

/** Compiles fixtures/NAME.bpf.c into a directory that goes away with the test; returns the object's path. */
export function compileFixture(t: Test, name: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'libbpf-test-'))
  const remove = (): void => rmSync(directory, { recursive: true })
  try {
    const object = compile(name, directory)
    t.teardown(remove)
    return object
  } catch (error) {
    // A test file that throws outside of its tests ends before its teardown.
    remove()
    throw error
  }
}

function compile(name: string, directory: string): string {
  const object = join(directory, `${name}.bpf.o`)
  let include = join(ROOT, 'build')
  if (!existsSync(join(include, 'vmlinux.h'))) {
    include = directory
    const dump = `bpftool btf dump file /sys/kernel/btf/vmlinux format c >${join(include, 'vmlinux.h')}`
    execFileSync('sh', ['-c', dump])
  }
  const flags = ['-target', 'bpf', '-mcpu=v3', '-O2', '-g', `-D__TARGET_ARCH_${ARCH[process.arch]}`]
  const source = join(FIXTURES, `${name}.bpf.c`)
  execFileSync('clang', [...flags, '-I', include, '-c', source, '-o', object])
  return object
}

/**
 * Opens the object with the named programs only, so that a test depends on no other part of the kernel.
 */
export function openWith(path: string, ...programs: string[]): OpenObject {
  const object = BpfObject.open(path)
  for (const name of object.programNames) object.setAutoload(name, programs.includes(name))
  return object
}

export function loadWith(path: string, ...programs: string[]): LoadedObject {
  return openWith(path, ...programs).load()
}

/** A directory on bpffs that goes away with the test and all pins in it. */
export function pinDirectory(t: Test): string {
  const directory = `/sys/fs/bpf/libbpf-test-${process.pid}-${basename(t.name).replaceAll(/\W+/g, '-')}`
  mkdirSync(directory)
  t.teardown(() => {
    for (const name of readdirSync(directory)) rmSync(join(directory, name))
    rmdirSync(directory)
  })
  return directory
}

/** A cgroup without processes that goes away with the test. */
export function scratchCgroup(t: Test): string {
  const mount = /^\S+ \S+ \S+ \S+ (\S+) .* - cgroup2 /m.exec(
    readFileSync('/proc/self/mountinfo', 'utf8'),
  )
  if (mount?.[1] === undefined) throw new Error('cgroup v2 is not mounted')
  const directory = join(mount[1], `libbpf-test-${process.pid}`)
  mkdirSync(directory)
  t.teardown(() => rmdirSync(directory))
  return directory
}

/** Mounts tracefs for the time of the test: hosts without a tracing user often have it nowhere. */
export function mountTracefs(t: Test): void {
  const directory = mkdtempSync(join(tmpdir(), 'libbpf-test-tracefs-'))
  execFileSync('mount', ['-t', 'tracefs', 'tracefs', directory])
  t.teardown(() => {
    execFileSync('umount', [directory])
    rmdirSync(directory)
  })
}

/** A network namespace with its loopback device up, that goes away with the test; returns its path. */
export function scratchNetns(t: Test): string {
  const name = `libbpf-test-${process.pid}-${basename(t.name).replaceAll(/\W+/g, '-').slice(0, 40)}`
  execFileSync('ip', ['netns', 'add', name])
  t.teardown(() => execFileSync('ip', ['netns', 'delete', name]))
  execFileSync('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
  return `/run/netns/${name}`
}

/** A file that this process has mapped, such as its C library. */
export function mappedFile(pattern: RegExp): string {
  const path = readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .map((line) => line.split(/\s+/)[5] ?? '')
    .find((candidate) => pattern.test(candidate))
  if (path === undefined) throw new Error(`no mapped file is like ${pattern}`)
  return path
}

/** The targets of the process's file descriptors; the descriptor of the listing itself is left out. */
export function openDescriptors(): string[] {
  return readdirSync('/proc/self/fd')
    .map((number) => {
      try {
        return `${number} ${readlinkSync(`/proc/self/fd/${number}`)}`
      } catch {
        return ''
      }
    })
    .filter((line) => line !== '')
}

/** Some kernels refuse iterators over the elements of maps to everybody: a reason to skip, or false. */
export function refusesMapIterators(basics: string): string | false {
  try {
    loadWith(basics, 'count')[Symbol.dispose]()
    return false
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EPERM') {
      return 'this kernel refuses iterators over the elements of maps'
    }
    throw error
  }
}
