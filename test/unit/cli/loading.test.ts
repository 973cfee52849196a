import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { packageRoot } from '../../../src/lib/package.ts'

/** The packages and our own modules that a command line loads from dist/. */
function loadedBy(directory: string, argv: readonly string[]): string[] {
  const { stderr } = spawnSync(process.execPath, [join(packageRoot, 'dist/src/cli.js'), ...argv], {
    encoding: 'utf8',
    // Node writes the URLs of all scripts there.
    env: { ...process.env, NODE_V8_COVERAGE: directory },
  })
  // tap starts a thread of its own in each process, which writes another one.
  const reports = readdirSync(directory)
  if (reports.length === 0) throw new Error(`nothing is known of what was loaded: ${stderr}`)
  const loaded = reports.flatMap((report) => {
    const { result }: { result: { url: string }[] } = JSON.parse(
      readFileSync(join(directory, report), 'utf8'),
    )
    return result
      .filter(({ url }) => url.startsWith('file:'))
      .flatMap(({ url }) => modulesIn(fileURLToPath(url)))
  })
  return [...new Set(loaded)]
}

/** esbuild writes the path of each module above its text. */
function modulesIn(path: string): string[] {
  if (path.includes('/node_modules/')) return [nameOf(path)]
  const text = readFileSync(path, 'utf8')
  return [...text.matchAll(/^ *\/\/ ([\w@./-]+\.[cm]?[jt]s)$/gm)].map(([, name = '']) =>
    nameOf(name),
  )
}

function nameOf(path: string): string {
  const [, name] = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path) ?? []
  return name ?? path
}

const heavy =
  /^(?:koffi|yaml|pino|prom-client|grpc-health-check|@opentelemetry\/.*|@kubernetes\/.*)$/
const agentOnly = /^(?:src\/(?:agent|datapath|reconcile|sources)|bench|packages)\//

for (const command of ['status', 'pods', 'flows', 'reasons', 'readers', 'top']) {
  const flags = command === 'top' ? ['--once'] : []
  await test(`${command} loads the client of the agent, and nothing of the agent`, (t) => {
    const loaded = loadedBy(t.testdir(), [
      command,
      ...flags,
      '--socket',
      join(t.testdirName, 'none'),
    ])
    for (const name of ['yargs', '@grpc/grpc-js', 'src/api/client.ts']) {
      t.ok(loaded.includes(name), name)
    }
    t.strictSame(
      loaded.filter((name) => heavy.test(name) || agentOnly.test(name)),
      [],
    )
    t.end()
  })
}

await test('the help loads no client of Kubernetes, no exporter and no bench of a cluster', (t) => {
  const loaded = loadedBy(t.testdir(), ['--help'])
  t.ok(loaded.includes('yargs'))
  t.strictSame(
    loaded.filter((name) =>
      /^(?:@opentelemetry\/(?:sdk|exporter|resources)|@kubernetes\/|bench\/kubernetes\/)/.test(
        name,
      ),
    ),
    [],
  )
  t.end()
})
