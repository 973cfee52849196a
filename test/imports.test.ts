import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { test } from 'tap'
import { packageRoot } from '../src/package.ts'

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

const files = ['src', 'cni', 'bench'].flatMap(typescriptFiles)
const imports = files.flatMap(importsOf)

const leaves = [
  'errors',
  'errno',
  'log',
  'config',
  'package',
  'observed-pod',
  'exclusions',
  'edit-distance',
  'make-directory',
  'mountinfo',
  'cni-chain-state',
].map((name) => `src/${name}.ts`)
const theInterface = 'src/datapath/datapath.ts'

/** Where files below a path may import from within src/, besides their own directory; the first match counts. */
const rules: readonly (readonly [path: string, allowed: readonly string[]])[] = [
  ...leaves.map((leaf) => [leaf, leaves] as const),
  ['src/libbpf/', leaves],
  ['src/preflight/', ['src/libbpf/', ...leaves]],
  ['src/datapath/', ['src/preflight/', 'src/libbpf/', ...leaves]],
  ['src/reconcile/', [theInterface, ...leaves]],
  ['src/sources/', leaves],
  // The snapshot for the wire is made of what the data path and the reconciler tell.
  ['src/api/', [theInterface, 'src/reconcile/desired.ts', ...leaves]],
  [
    'src/agent',
    [
      'src/agent',
      'src/api/',
      'src/libbpf/index.ts',
      'src/datapath/',
      'src/preflight/',
      'src/reconcile/',
      'src/sources/',
      ...leaves,
    ],
  ],
  ['src/cli/agent.ts', ['src/agent.ts', 'src/api/', ...leaves]],
  ['src/cli/check-machine.ts', ['src/preflight/', ...leaves]],
  ['src/cli/cni.ts', ['cni/', ...leaves]],
  ['src/cli/mount-bpffs.ts', ['src/datapath/bpffs.ts', ...leaves]],
  [
    'src/cli/bench',
    ['bench/', 'src/preflight/', 'src/api/', 'src/sources/kubernetes/kube-config.ts', ...leaves],
  ],
  ['src/cli/doctor', ['src/datapath/', 'src/preflight/', 'src/libbpf/', ...leaves]],
  // The agent tells the answers of the self-test; their words are the self-test's.
  [
    'src/cli/probe-words.ts',
    ['src/datapath/selftest/policy.ts', 'src/datapath/selftest/words.ts', ...leaves],
  ],
  // These two work without an agent, too; the environment carries the parts that they do it with.
  ['src/cli/drain.ts', ['src/agent.ts', 'src/datapath/cgroup.ts', 'src/api/', ...leaves]],
  ['src/cli/cleanup.ts', ['src/agent.ts', 'src/datapath/cgroup.ts', 'src/api/', ...leaves]],
  ['src/cli/without-agent.ts', ['src/api/client.ts', 'src/agent-lock.ts', ...leaves]],
  ['src/cli/environment.ts', ['src/agent.ts', ...leaves]],
  ['src/cli/', ['src/api/client.ts', 'src/api/views.ts', ...leaves]],
  ['src/cli.ts', ['src/cli/']],
  // One system call that Node has no function for.
  ['cni/', ['src/libbpf/libc.ts', ...leaves]],
  // The bench uses the product as a user does; it counts BPF run time and enters namespaces through the binding.
  ['bench/', ['src/libbpf/', 'src/cli/', ...leaves]],
]

/** The packages that only one part may know. */
const owners: Readonly<Record<string, string | readonly string[]>> = {
  koffi: 'src/libbpf/ffi.ts',
  // The container runtime speaks gRPC, too.
  '@grpc/grpc-js': ['src/api/', 'src/sources/netns/cri.ts'],
  '@grpc/proto-loader': ['src/api/', 'src/sources/netns/cri.ts'],
  'grpc-health-check': 'src/api/',
  'prom-client': 'src/api/',
  // @kubernetes/client-node, bundled by scripts/build.sh.
  '#kube-config': 'src/sources/kubernetes/',
  yaml: 'src/sources/',
  yargs: 'src/cli/',
  pino: 'src/log.ts',
  '@opentelemetry/api': 'src/agent-otlp.ts',
  '@opentelemetry/exporter-trace-otlp-http': 'src/agent-otlp.ts',
  '@opentelemetry/resources': 'src/agent-otlp.ts',
  '@opentelemetry/sdk-trace-base': 'src/agent-otlp.ts',
}

void test('imports go one way', async (t) => {
  t.ok(imports.length > 50, 'the imports are found')
  for (const { from, to } of imports) {
    if (!/^(?:src|cni|bench)\//.test(to)) continue
    const rule = rules.find(([path]) => from.startsWith(path))
    if (!rule) {
      t.fail(`${from} has no rule`)
      continue
    }
    const [path, allowed] = rule
    const own = path.endsWith('/') ? path : `${dirname(from)}/`
    const sideways = from.startsWith('src/cli/') ? 'src/cli/' : own
    const isOwn = sideways !== 'src/' && to.startsWith(sideways)
    if (!isOwn && !allowed.some((prefix) => to.startsWith(prefix))) {
      t.fail(`${from} imports ${to}`)
    }
  }
})

void test('packages are known to their owners only', async (t) => {
  for (const { from, to } of imports) {
    if (/^(?:src|cni|bench|test)\//.test(to)) {
      t.notOk(to.startsWith('test/'), `${from} imports ${to}`)
      continue
    }
    if (to.startsWith('node:')) continue
    t.notOk(builtinModules.includes(to), `${from} imports ${to} without node:`)
    const owner = owners[to]
    if (from.startsWith('bench/')) continue
    const knows = [owner ?? []].flat().some((path) => from.startsWith(path))
    t.ok(knows, `${from} imports ${to}`)
  }
})

void test('no file is long', async (t) => {
  for (const file of files.filter((name) => name !== 'src/libbpf/ffi.ts')) {
    const lines = readFileSync(join(packageRoot, file), 'utf8').split('\n').length
    t.ok(lines <= 340, `${file} has ${lines} lines`)
  }
})
