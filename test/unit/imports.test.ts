import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { test } from 'tap'
import { packageRoot } from '../../src/lib/package.ts'

interface Import {
  readonly from: string
  /** A path below the package root, or a package. */
  readonly to: string
}

function typescriptFiles(directory: string): string[] {
  const absolute = join(packageRoot, directory)
  if (!existsSync(absolute)) return []
  return readdirSync(absolute, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(directory, name))
}

const statement =
  /^\s*(?:import|export)\s[^'"`;]*?from\s+['"]([^'"]+)['"]|^\s*import\s+['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm

function importsOf(from: string): Import[] {
  const text = readFileSync(join(packageRoot, from), 'utf8')
  return [...text.matchAll(statement)].map((match) => {
    const name = match[1] ?? match[2] ?? match[3] ?? ''
    const to = name.startsWith('.')
      ? relative(packageRoot, join(packageRoot, dirname(from), name))
      : name
    return { from, to }
  })
}

const files = ['src', 'cni', 'bench', 'packages/libbpf/src'].flatMap(typescriptFiles)
const imports = files.flatMap(importsOf)

const lib = 'src/lib/'
const pods = 'src/pods/'
const theInterface = 'src/datapath/datapath.ts'
const theTypes = 'src/datapath/kernel-types.ts'
const theNames = 'src/datapath/generated-names.ts'
const theTotals = 'src/datapath/totals.ts'

/** The allowed imports of files below a path, besides their own directory. The first match counts. */
const rules: readonly (readonly [path: string, allowed: readonly string[]])[] = [
  ['packages/libbpf/', []],
  [lib, []],
  [pods, [lib]],
  ['src/preflight/', [lib]],
  ['src/datapath/datapath.ts', [theNames, theTotals, pods, lib]],
  ['src/datapath/maps/', [theInterface, theNames, pods, lib]],
  ['src/datapath/netns/', [pods, lib]],
  ['src/datapath/kernel-types.ts', [lib]],
  ['src/datapath/pins/', ['src/datapath/maps/', theTypes, lib]],
  ['src/datapath/measure/', ['src/datapath/maps/', theTypes, theInterface, theNames, lib]],
  [
    'src/datapath/loop/',
    [
      'src/datapath/pins/',
      'src/datapath/maps/',
      'src/datapath/measure/',
      'src/datapath/netns/',
      theInterface,
      theNames,
      lib,
    ],
  ],
  [
    'src/datapath/selftest/',
    [
      'src/datapath/loop/',
      'src/datapath/pins/',
      'src/datapath/maps/',
      theInterface,
      'src/preflight/',
      lib,
    ],
  ],
  ['src/datapath/', ['src/datapath/', 'src/preflight/', pods, lib]],
  ['src/reconcile/', [theInterface, pods, lib]],
  ['src/sources/', [pods, lib]],
  // The snapshot for the wire is made of what the data path and the reconciler tell.
  ['src/api/', [theInterface, theNames, theTotals, 'src/reconcile/desired.ts', pods, lib]],
  // Errors cross both services in the same way.
  ['src/compile/', ['src/api/error-metadata.ts', lib]],
  [
    'src/agent/',
    ['src/api/', 'src/datapath/', 'src/preflight/', 'src/reconcile/', 'src/sources/', pods, lib],
  ],
  ['src/cli/commands/agent.ts', ['src/agent/start.ts', 'src/api/', 'src/cli/', lib]],
  ['src/cli/check-machine.ts', ['src/preflight/', 'src/cli/', lib]],
  ['src/cli/commands/cni.ts', ['cni/', 'src/cli/', lib]],
  [
    'src/cli/commands/compile.ts',
    ['client', 'tls', 'wire'].map((name) => `src/compile/${name}.ts`).concat('src/cli/', lib),
  ],
  [
    'src/cli/commands/compile-server.ts',
    ['src/compile/start.ts', 'src/compile/tls.ts', 'src/cli/', lib],
  ],
  ['src/cli/commands/mount-bpffs.ts', ['src/datapath/pins/bpffs.ts', 'src/cli/', lib]],
  [
    'src/cli/commands/bench.ts',
    [
      'bench/',
      'src/preflight/',
      'src/api/',
      'src/sources/kubernetes/client/kube-config.ts',
      'src/cli/',
      lib,
    ],
  ],
  ['src/cli/commands/doctor.ts', ['src/datapath/', 'src/preflight/', 'src/cli/', lib]],
  // The agent reports the answers of the self-test. The self-test has the words for them.
  [
    'src/cli/output/words/probe.ts',
    ['src/datapath/selftest/policy.ts', 'src/datapath/selftest/words.ts', lib],
  ],
  // With the permissions of the user, it asks the API server where pods are.
  [
    'src/cli/advise/places.ts',
    ['src/sources/kubernetes/client/api.ts', 'src/sources/kubernetes/client/kube-config.ts', lib],
  ],
  ['src/btf/', [lib]],
  ['src/cli/commands/btf.ts', ['src/btf/', 'src/cli/', lib]],
  // These two also work without an agent. The environment carries the parts that they need.
  ...['drain', 'cleanup'].map(
    (name) =>
      [`src/cli/commands/${name}.ts`, ['src/agent/start.ts', 'src/api/', 'src/cli/', lib]] as const,
  ),
  ['src/cli/without-agent.ts', ['src/api/client.ts', 'src/agent/lock.ts', lib]],
  // It asks the agents of a cluster.
  [
    'src/cli/cluster/',
    ['src/sources/kubernetes/agents.ts', 'src/api/status-page.ts', 'src/cli/', lib],
  ],
  ['src/cli/environment.ts', ['src/agent/start.ts', lib]],
  ['src/cli/', ['src/cli/', 'src/api/client.ts', 'src/api/views.ts', lib]],
  ['src/cli.ts', ['src/cli/', lib]],
  ['cni/', [lib]],
  // It uses the product as a user does: by its command line. It shares what is known of meshes and annotations.
  ['bench/', ['bench/', 'src/pods/meshes.ts', 'src/pods/annotation-keys.ts', lib]],
]

/** The packages that only one part may know. */
const owners: Readonly<Record<string, readonly string[]>> = {
  koffi: ['packages/libbpf/src/ffi.ts'],
  libbpf: [
    'src/datapath/',
    'src/preflight/',
    'src/btf/',
    'src/agent/',
    'src/cli/commands/doctor.ts',
    // For namespaces, and for one system call that Node lacks.
    'cni/replace-file.ts',
    'bench/',
  ],
  // The container runtime also uses gRPC.
  // The stand-ins of Linkerd's controllers in the bench also speak gRPC.
  '@grpc/grpc-js': [
    'src/api/',
    'src/compile/',
    'src/sources/netns/cri.ts',
    'bench/proxies/linkerd/',
  ],
  '@grpc/proto-loader': [
    'src/api/',
    'src/compile/',
    'src/sources/netns/cri.ts',
    'bench/proxies/linkerd/',
  ],
  'grpc-health-check': ['src/api/', 'src/compile/'],
  'prom-client': ['src/api/'],
  // @kubernetes/client-node, bundled by scripts/build.sh.
  '#kube-config': ['src/sources/kubernetes/'],
  '@kubernetes/client-node': ['bench/kubernetes/'],
  yaml: ['src/sources/'],
  yargs: ['src/cli/'],
  pino: ['src/lib/log.ts'],
  '@opentelemetry/api': ['src/agent/otlp.ts'],
  '@opentelemetry/exporter-trace-otlp-http': ['src/agent/otlp.ts'],
  '@opentelemetry/resources': ['src/agent/otlp.ts'],
  '@opentelemetry/sdk-trace-base': ['src/agent/otlp.ts'],
}

/** The violations among these imports. */
function breaches(all: readonly Import[]): string[] {
  return all.flatMap(({ from, to }) => {
    if (isOurs(to)) {
      const rule = rules.find(([path]) => from.startsWith(path))
      if (!rule) return [`${from} has no rule`]
      const [path, allowed] = rule
      const home = path.endsWith('/') ? path : `${dirname(from)}/`
      const isAllowed = [home, ...allowed].some((prefix) => to.startsWith(prefix))
      return isAllowed ? [] : [`${from} imports ${to}`]
    }
    if (to.startsWith('node:')) return []
    if (builtinModules.includes(to)) return [`${from} imports ${to} without node:`]
    const knows = (owners[to] ?? []).some((path) => from.startsWith(path))
    return knows ? [] : [`${from} imports ${to}`]
  })
}

const isOurs = (to: string): boolean => /^(?:src|cni|bench|test|packages)\//.test(to)

/** A chain of files that import one another and end where they began; types count, too. */
function circle(all: readonly Import[]): string[] | undefined {
  const targets = new Map<string, string[]>()
  for (const { from, to } of all) {
    if (isOurs(to)) targets.set(from, [...(targets.get(from) ?? []), to])
  }
  const done = new Set<string>()
  const walk = (file: string, trail: readonly string[]): string[] | undefined => {
    const seen = trail.indexOf(file)
    if (seen >= 0) return [...trail.slice(seen), file]
    if (done.has(file)) return undefined
    for (const next of targets.get(file) ?? []) {
      const found = walk(next, [...trail, file])
      if (found) return found
    }
    done.add(file)
    return undefined
  }
  for (const file of targets.keys()) {
    const found = walk(file, [])
    if (found) return found
  }
  return undefined
}

void test('imports go one way', async (t) => {
  t.ok(imports.length > 50, 'the imports are found')
  t.same(breaches(imports), [])
})

void test('no file imports itself by a detour', async (t) => {
  t.equal(circle(imports)?.join(' > '), undefined)
})

void test('a planted breach is found', async (t) => {
  const plant = (from: string, to: string): string[] => breaches([{ from, to }])
  const upward = plant('src/datapath/maps/counters.ts', 'src/agent/start.ts')
  t.same(upward, ['src/datapath/maps/counters.ts imports src/agent/start.ts'])
  t.same(plant('src/reconcile/plan.ts', 'src/datapath/kernel-datapath.ts').length, 1)
  t.same(plant('src/lib/log.ts', 'src/pods/observed-pod.ts').length, 1)
  t.same(plant('src/api/server.ts', 'koffi'), ['src/api/server.ts imports koffi'])
  t.same(plant('src/api/server.ts', 'fs'), ['src/api/server.ts imports fs without node:'])
  t.same(plant('src/api/server.ts', 'test/helpers/retry.ts').length, 1)
  const detour = [
    { from: 'src/a.ts', to: 'src/b.ts' },
    { from: 'src/b.ts', to: 'src/a.ts' },
  ]
  t.same(circle(detour), ['src/a.ts', 'src/b.ts', 'src/a.ts'])
})

/** One declaration after the other: nobody reads them from top to bottom. */
const isList = (name: string): boolean =>
  name === 'packages/libbpf/src/ffi.ts' || name.endsWith('/generated.ts')

void test('no file is long', async (t) => {
  for (const file of files.filter((name) => !isList(name))) {
    const lines = readFileSync(join(packageRoot, file), 'utf8').split('\n').length
    t.ok(lines <= 340, `${file} has ${lines} lines`)
  }
})

/** Rooms that hold one file for each command, each leaf that anybody may import, and each object of libbpf. */
const large = ['src/cli/commands', 'src/lib', 'packages/libbpf/src']

void test('no directory is crowded, and src/ holds the entry alone', async (t) => {
  const byDirectory = new Map<string, string[]>()
  for (const file of files) {
    byDirectory.set(dirname(file), [...(byDirectory.get(dirname(file)) ?? []), file])
  }
  t.same(byDirectory.get('src'), ['src/cli.ts'])
  for (const [directory, inside] of byDirectory) {
    t.ok(inside.length <= (large.includes(directory) ? 30 : 14), `${directory}: ${inside.length}`)
  }
})
