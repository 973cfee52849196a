/** `images.ts DIR [KUBE FORTIO]`: makes the images of the cluster tests, without a daemon, and prints the archives' paths. */
import { buildSync } from 'esbuild'
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { envoyBinary } from '../../../bench/proxies/envoy-binary.ts'
import { istioRedirect } from '../../../bench/topology/rules/istio.ts'
import { UndoStack } from '../../../bench/system/undo-stack.ts'
import { packageRoot, version } from '../../../src/lib/package.ts'
import { packImage, type Image } from './pack-image.ts'
import { sidecarConfig } from './sidecar.ts'

const [out, kube, fortio] = process.argv.slice(2)
if (out === undefined) throw new Error('usage: images.ts DIR [KUBE FORTIO]')
mkdirSync(out, { recursive: true })
const work = mkdtempSync(join(tmpdir(), 'cluster-images-'))
try {
  await pack('meshaccel', {
    name: `ghcr.io/meshaccel/meshaccel:${version}`,
    entrypoint: ['/usr/bin/meshaccel'],
    path: '/usr/bin',
    root: productRoot(),
  })
  const everywhere = '/usr/sbin:/usr/bin'
  const pods = { entrypoint: ['/usr/bin/sh'], path: everywhere, root: await podsRoot() }
  await pack('pods', { name: 'registry.local/pods:1', ...pods })
  // Only a cluster of our own needs these; others pull them.
  if (kube !== undefined && fortio !== undefined) {
    const root = emptyRoot('pause')
    addProgram(root, '/bin/busybox')
    const entrypoint = ['/usr/bin/busybox', 'sleep', '2147483647']
    await pack('pause', { name: 'registry.local/pause:1', entrypoint, path: everywhere, root })
    const kubectl = emptyRoot('kubectl')
    addProgram(kubectl, kube, 'usr/bin/kubectl')
    const name = 'registry.k8s.io/kubectl:v1.34.2'
    await pack('kubectl', { name, entrypoint: ['kubectl'], path: everywhere, root: kubectl })
    const load = emptyRoot('fortio')
    addProgram(load, fortio, 'usr/bin/fortio')
    const program = { entrypoint: ['/usr/bin/fortio'], path: everywhere, root: load }
    await pack('fortio', { name: 'registry.local/fortio:1', ...program })
  }
} finally {
  rmSync(work, { recursive: true })
}

async function pack(name: string, image: Image): Promise<void> {
  const archive = join(out ?? '', `${name}.tar`)
  await packImage(image, archive)
  console.log(archive)
}

/** The files that the Dockerfile copies. */
function productRoot(): string {
  const root = join(work, 'product')
  execFileSync('bash', [join(packageRoot, 'scripts/image-root.sh'), root])
  return root
}

/** A sidecar, an application, and what looks at the node, in one. */
async function podsRoot(): Promise<string> {
  const root = emptyRoot('pods')
  addProgram(root, '/bin/busybox')
  for (const name of ['sh', 'cat', 'find', 'ls', 'sleep']) {
    symlinkSync('busybox', join(root, 'usr/bin', name))
  }
  addProgram(root, process.execPath, 'usr/bin/node')
  addProgram(root, bpftool(), 'usr/sbin/bpftool')
  addProgram(root, '/usr/bin/tcpdump')
  // tcpdump looks its user up.
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/:/usr/bin/sh\n')
  for (const kind of ['nft', 'legacy']) {
    addProgram(root, `/usr/sbin/xtables-${kind}-multi`, `usr/sbin/xtables-${kind}-multi`)
    symlinkSync(`xtables-${kind}-multi`, join(root, `usr/sbin/iptables-${kind}-restore`))
  }
  const extensions = execFileSync('dpkg', ['-L', 'iptables'], { encoding: 'utf8' })
  const directory = /^(.*\/xtables)$/m.exec(extensions)?.[1] ?? '/usr/lib/xtables'
  cpSync(directory, join(root, realpathSync(directory)), { recursive: true })

  using stack = new UndoStack((message) => console.error(message))
  addProgram(
    root,
    await envoyBinary(stack, work, 0, { signal: new AbortController().signal, say: console.error }),
    'usr/bin/envoy',
  )
  writeFileSync(join(root, 'etc/envoy.json'), sidecarConfig())
  writeFileSync(join(root, 'etc/istio.rules'), istioRedirect)

  const entryPoints = ['server', 'client', 'node-view', 'injector']
  buildSync({
    entryPoints: entryPoints.map((name) => join(import.meta.dirname, `pods/${name}.ts`)),
    outdir: join(root, 'app'),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
  })
  return root
}

function emptyRoot(name: string): string {
  const root = join(work, name)
  for (const path of [
    'app',
    'dev',
    'etc',
    'proc',
    'run',
    'sys',
    'tmp',
    'usr/bin',
    'usr/sbin',
    'usr/lib64',
  ]) {
    mkdirSync(join(root, path), { recursive: true })
  }
  for (const path of ['bin', 'sbin', 'lib', 'lib64']) symlinkSync(`usr/${path}`, join(root, path))
  return root
}

/** Copies a program and the libraries that it is linked to. */
function addProgram(
  root: string,
  program: string,
  to = join('usr/bin', program.split('/').at(-1) ?? ''),
): void {
  copyFileSync(program, join(root, to))
  let linked = ''
  try {
    linked = execFileSync('ldd', [program], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
  } catch {
    // It is static.
  }
  for (const [, library = ''] of linked.matchAll(/(\/\S+) \(0x/g)) {
    // The target of the path in a file system whose /lib is a link.
    const directory = join(root, realpathSync(dirname(library)))
    mkdirSync(directory, { recursive: true })
    copyFileSync(library, join(directory, library.split('/').at(-1) ?? ''))
  }
}

/** Ubuntu's /usr/sbin/bpftool is a script that looks for the running kernel's. */
function bpftool(): string {
  const tools = '/usr/lib/linux-tools'
  const versions = existsSync(tools) ? readdirSync(tools) : []
  const found = versions
    .map((name) => join(tools, name, 'bpftool'))
    .find((path) => existsSync(path))
  return found ?? '/usr/sbin/bpftool'
}
