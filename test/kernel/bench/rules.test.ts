import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { runH2load } from '../../../bench/load/h2load.ts'
import { writePayloads } from '../../../bench/proxies/nginx.ts'
import { haproxySidecars } from '../../../bench/proxies/sidecars.ts'
import { isMeshed, type Place, startStack } from '../../../bench/stack.ts'
import { meshes, type MeshName } from '../../../bench/topology/mesh.ts'
import { createNetwork, inside } from '../../../bench/topology/network.ts'
import type { Redirect } from '../../../bench/topology/rules/redirect.ts'
import { assertCrossed, redirectsOf, ruleSet } from '../../../bench/topology/rules/rule-set.ts'
import { createScratchCgroup } from '../../../bench/topology/scratch-cgroup.ts'
import { tunePods } from '../../../bench/topology/sysctls.ts'
import { UndoStack } from '../../../bench/system/undo-stack.ts'
import { chmodSync } from 'node:fs'
import { requireRoot } from '../../helpers/requirements.ts'

const waiting = { signal: new AbortController().signal, say: () => undefined }
let places = 0

/** Two pods and HAProxy for both sidecars, until the stack is undone. */
function makePlace(stack: UndoStack, meshName: MeshName, redirect: Redirect): Place {
  const runName = `meshrules-${process.pid}-${++places}`
  const directory = mkdtempSync(join(tmpdir(), `${runName}-`))
  stack.defer('remove the directory', () => rmSync(directory, { recursive: true }))
  chmodSync(directory, 0o755)
  const cgroup = createScratchCgroup(stack, runName).node
  const { client, server } = createNetwork(stack, runName)
  tunePods(stack, [client, server])
  writePayloads(directory, [81])
  const mesh = meshes[meshName]
  return {
    directory,
    client: { ...client, cgroup },
    server: { ...server, cgroup },
    mesh,
    rules: ruleSet(mesh, redirect),
    sidecars: haproxySidecars(directory),
    certificates: new Map(),
  }
}

const load = { payloadBytes: 81, connections: 4, close: false, expectedMs: 1_000 }
const request = async (
  stack: UndoStack,
  { client, directory }: Place,
  target: Awaited<ReturnType<typeof startStack>>,
): Promise<unknown> => runH2load(stack, client, directory, { ...load, target }, 40, waiting)

/** The rules that are left in a pod, by any tool. */
function rulesIn(netns: string): string {
  const saved = ['iptables-nft-save', 'iptables-legacy-save'].map((save) =>
    inside(netns, 'bash', '-c', `${save} 2>/dev/null | grep -- ^-A || true`),
  )
  const marks = inside(netns, 'bash', '-c', 'ip rule | grep fwmark || true')
  return [...saved, inside(netns, 'nft', 'list', 'tables', 'inet'), marks].join('')
}

function complaints(t: Test): UndoStack {
  return new UndoStack((message) => t.fail(message))
}

for (const mesh of Object.values(meshes)) {
  for (const redirect of redirectsOf[mesh.name]) {
    void test(`${mesh.title}, ${redirect}: every request crosses both sidecars`, async (t) => {
      if (!requireRoot(t)) return
      using stack = complaints(t)
      const place = makePlace(stack, mesh.name, redirect)
      {
        using running = stack.nested()
        const target = await startStack(running, place, 'keepalive', 'iptables', waiting)
        await request(running, place, target)
        t.doesNotThrow(() => assertCrossed(place.rules, mesh, place.client, place.server))
        const { rules, client, server } = place
        t.equal(rules.ledTo(mesh.outboundPort, client), load.connections)
        t.ok(rules.ledTo(mesh.inboundPort, server) <= load.connections, 'the sidecar pools')
        t.equal(rules.ledTo(mesh.inboundPort, client), 0, 'nothing comes in at the client')
        t.same(listenersSeen(server.netns, mesh.inboundPort), [mesh.proxyUid])
      }
      t.equal(rulesIn(place.client.netns) + rulesIn(place.server.netns), '', 'the rules are gone')
    })
  }
}

void test('traffic that goes past a sidecar is noticed', async (t) => {
  if (!requireRoot(t)) return
  using stack = complaints(t)
  const place = makePlace(stack, 'istio', 'iptables-nft')
  const { mesh, rules, client, server } = place
  const target = await startStack(stack, place, 'keepalive', 'direct', waiting)
  t.notOk(isMeshed('direct'))
  rules.install(stack, client)
  rules.install(stack, server)
  // Runs as the proxy's user, which no rule redirects.
  const run = ['setpriv', `--reuid=${mesh.proxyUid}`, `--regid=${mesh.proxyUid}`, '--clear-groups']
  const url = 'socket' in target ? '' : `http://${target.host}:${target.port}/81`
  inside(client.netns, ...run, 'h2load', '--h1', '-n1', url)
  t.throws(() => assertCrossed(rules, mesh, client, server), { code: 'PAST_THE_SIDECARS' })
})

/** The users of the processes that listen on a port. */
function listenersSeen(netns: string, port: number): number[] {
  const shown = spawnSync('nsenter', [`--net=${netns}`, 'ss', '-Hltnp', `sport = :${port}`], {
    encoding: 'utf8',
  }).stdout
  const pids = [...new Set([...shown.matchAll(/pid=(\d+)/g)].map(([, pid]) => pid))]
  return pids.map((pid) =>
    Number(/^Uid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]),
  )
}
