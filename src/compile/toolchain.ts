import { execFileSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, join, normalize } from 'node:path'
import { messageOf } from '../lib/errno.ts'
import { MeshaccelError } from '../lib/errors.ts'
import { packageRoot } from '../lib/package.ts'

/** The part of this machine's file system that a sandbox shows, read-only. */
export interface View {
  /** Each path in the sandbox, and the file or directory that is there. */
  readonly files: ReadonlyMap<string, string>
  readonly links: ReadonlyMap<string, string>
}

/** The programs of this machine that the service uses. */
export interface Toolchain {
  readonly bwrap: string
  /** The version, as clang prints it. */
  readonly compiler: string
  /** For clang and bpftool, with the scripts and headers that they need. */
  readonly build: View
  /** For bpf2ts. */
  readonly types: View
}

/** Where the sandbox has the sources of meshaccel. */
export const homeInside = '/meshaccel'
export const bpf2tsInside: string = join(homeInside, 'dist/packages/libbpf/src/bin/bpf2ts.js')

const packages: Readonly<Record<string, string>> = {
  bwrap: 'bubblewrap',
  clang: 'clang',
  'llvm-strip': 'llvm',
  bpftool: 'bpftool',
  setpriv: 'util-linux',
  prlimit: 'util-linux',
}
const always = ['prlimit', 'setpriv']
/** The programs that scripts/build-bpf.sh calls. */
const builders =
  'bash clang llvm-strip bpftool basename cat cp dirname grep mkdir mv sed uname'.split(' ')

/** Finds the programs and all that they load. Throws NO_TOOL, with the packages to install. */
export function findToolchain(path: string = process.env['PATH'] ?? ''): Toolchain {
  const find = (name: string): string => findProgram(name, path)
  const build = new ViewBuilder()
  for (const name of [...always, ...builders]) build.program(name, find(name))
  const clang = find('clang')
  const resources = run(clang, '-print-resource-dir').trim()
  for (const headers of headerDirectories(resources)) build.add(...headers)
  for (const part of ['bpf', 'scripts/build-bpf.sh', 'scripts/stale.sh']) {
    build.add(join(packageRoot, part), join(homeInside, part))
  }
  const types = new ViewBuilder()
  for (const name of always) types.program(name, find(name))
  types.program('node', process.execPath)
  types.library(libbpf())
  for (const part of ['package.json', 'dist']) {
    types.add(join(packageRoot, part), join(homeInside, part))
  }
  for (const module of koffiModules()) {
    types.add(module, join(homeInside, module.slice(module.lastIndexOf('/node_modules/'))))
  }
  const compiler = run(clang, '--version').split('\n', 1).join('')
  return { bwrap: find('bwrap'), compiler, build, types }
}

class ViewBuilder implements View {
  readonly files = new Map<string, string>()
  readonly links = new Map<string, string>()

  add(path: string, inside: string = path): void {
    if (!existsSync(path)) throw noTool(path, 'it is not there')
    this.files.set(normalize(inside), realpathSync(path))
  }

  /** A program and its libraries. Its name may be a link to one that does several things. */
  program(name: string, path: string): void {
    const file = realpathSync(path)
    const link = join('/usr/bin', name)
    this.add(file)
    this.#libraries(file)
    if (link !== file) this.links.set(link, file)
  }

  library(path: string): void {
    this.add(path)
    this.#libraries(path)
  }

  #libraries(file: string): void {
    for (const [, library = ''] of run('ldd', file).matchAll(/(\/\S+) \(0x/g)) this.add(library)
  }
}

/** The headers that sources may include, and where the sandbox has them. */
function headerDirectories(resources: string): [from: string, inside: string][] {
  const include = '/usr/include'
  const asm = readdirSync(include)
    .map((name) => join(include, name, 'asm'))
    .find((directory) => existsSync(directory))
  const own = ['bpf', 'linux', 'asm-generic'].map((name) => join(include, name))
  return [
    [join(resources, 'include'), join(resources, 'include')],
    ...own.map((directory): [string, string] => [directory, directory]),
    [asm ?? join(include, 'asm'), join(include, 'asm')],
  ]
}

/** koffi and its binary part. */
function koffiModules(): string[] {
  const inside = createRequire(join(packageRoot, 'package.json')).resolve('koffi')
  const end = '/node_modules/'
  const modules = inside.slice(0, inside.lastIndexOf(end) + end.length)
  return ['koffi', '@koromix'].map((name) => join(modules, name)).filter((one) => existsSync(one))
}

function libbpf(): string {
  const line = run('ldconfig', '-p')
    .split('\n')
    .find((candidate) => candidate.includes('libbpf.so.1 '))
  const path = line?.split(' => ')[1]
  if (path === undefined) throw noTool('libbpf.so.1', 'it is not installed', 'libbpf1')
  return path
}

function findProgram(name: string, path: string): string {
  const found = [...path.split(delimiter), '/usr/sbin', '/sbin']
    .map((directory) => join(directory, name))
    .find((candidate) => existsSync(candidate))
  if (found === undefined) throw noTool(name, 'it is not installed', packages[name] ?? name)
  // Ubuntu's bpftool is a script, and the sandbox has no other programs for it.
  if (!isElf(found)) throw noTool(found, 'it is a script, and not the program itself')
  return found
}

function isElf(path: string): boolean {
  const file = openSync(path, 'r')
  try {
    const head = Buffer.alloc(4)
    readSync(file, head)
    return head.toString('latin1') === '\x7fELF'
  } finally {
    closeSync(file)
  }
}

function run(command: string, ...args: readonly string[]): string {
  const env = { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C' }
  try {
    return execFileSync(command, args, { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    // ldd fails for a program without libraries.
    if (command === 'ldd') return ''
    throw noTool(command, messageOf(error))
  }
}

function noTool(name: string, reason: string, debianPackage?: string): MeshaccelError {
  return new MeshaccelError(reason, {
    code: 'NO_TOOL',
    operation: `find ${name} for the compile service`,
    hint:
      debianPackage === undefined
        ? undefined
        : `On Debian and Ubuntu: apt-get install ${debianPackage}`,
  })
}

/** This machine's own kernel types, if it has them. */
export function ownBtf(path = '/sys/kernel/btf/vmlinux'): Uint8Array | undefined {
  return existsSync(path) ? readFileSync(path) : undefined
}
