/** Each command on a broken machine, as a person sees it. */
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { findCgroup2 } from '../../../src/lib/cgroup.ts'
import { cli } from '../../helpers/agent-process.ts'
import { bundleProgram } from '../../helpers/bundle-program.ts'
import { compile } from '../../helpers/compile.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { breakings, runBroken } from './broken-machine.ts'

const meshaccel = (...args: string[]): string[] => [process.execPath, cli, ...args]

/** A pods file, a socket and a cgroup for an agent. */
function agentPlace(t: Test): { readonly where: string[]; readonly podsFile: string } {
  const directory = mkdtempSync(join(tmpdir(), 'meshaccel-preflight-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const cgroup = join(findCgroup2(), `meshaccel-test-preflight-${process.pid}`)
  mkdirSync(cgroup)
  t.teardown(() => rmdirSync(cgroup))
  const podsFile = join(directory, 'pods.yaml')
  writeFileSync(podsFile, 'pods: []\n')
  return { where: ['--cgroup', cgroup, '--socket', join(directory, 'agent.sock')], podsFile }
}

void test('the bench names a bpffs that it cannot have, before it sets anything up', async (t) => {
  if (!requireRoot(t)) return
  for (const [broken, named] of [
    [breakings.otherAtBpffs, /tmpfs is mounted at \/sys\/fs\/bpf, and no bpffs/],
    [breakings.readOnlyBpffs, /the bpffs at \/sys\/fs\/bpf is read-only/],
  ] as const) {
    const { code, stdout, stderr } = runBroken(meshaccel('bench', '--quick'), { broken })
    t.equal(code, 1)
    t.equal(stdout, '')
    t.match(stderr, named)
    t.match(stderr, /Fix it: /)
    t.notMatch(stderr, /round 1/)
  }
})

void test('the bench names the mount that fails', async (t) => {
  if (!requireRoot(t)) return
  const directory = mkdtempSync(join(tmpdir(), 'meshaccel-preflight-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const refuseCall = compile('kernel/preflight/refuse-call.c', 'refuse-call', directory)
  const { code, stderr } = runBroken(meshaccel('bench', '--quick'), {
    broken: breakings.noBpffs,
    through: [refuseCall, 'mount'],
  })
  t.equal(code, 1)
  t.match(stderr, /no bpffs is mounted at \/sys\/fs\/bpf, and it cannot be mounted: .*EPERM/)
})

void test('an agent without bpffs ends at once where it may not mount one', async (t) => {
  if (!requireRoot(t)) return
  const { where, podsFile } = agentPlace(t)
  const command = meshaccel('agent', '--pods', `file:${podsFile}`, ...where)
  const { code, stderr } = runBroken(command, { broken: breakings.noBpffs })
  t.equal(code, 1)
  t.match(stderr, /check this machine: no bpffs is mounted at \/sys\/fs\/bpf\n/)
  t.match(stderr, /run on the host, not in this container: mount -t bpf bpf \/sys\/fs\/bpf/)
})

void test('an agent mounts the bpffs that is missing, and says so', async (t) => {
  if (!requireRoot(t)) return
  const { where, podsFile } = agentPlace(t)
  const agent = meshaccel('agent', '--pods', `file:${podsFile}`, ...where)
  // Ends it by SIGTERM once it runs, and shows what is mounted then.
  const untilItRuns = `"$@" 2>&1 & agent=$!
    while kill -0 $agent && ! meshaccel_status; do sleep 0.2; done
    kill $agent; wait $agent; echo "exit $?"; grep " /sys/fs/bpf " /proc/self/mounts`
  const status = meshaccel('status', ...where.slice(2)).join(' ')
  const script = `meshaccel_status() { ${status} >/dev/null 2>&1 || ${status} 2>&1 | grep -q '^state'; }; ${untilItRuns}`
  const { stdout } = runBroken(agent, {
    broken: breakings.noBpffs,
    unshare: ['--pid', '--fork', '--mount-proc'],
    through: ['sh', '-c', script, 'sh'],
  })
  t.match(stdout, /"type":"bpf","at":"\/sys\/fs\/bpf".*mounted, because it was missing/)
  t.match(stdout, /exit 0\nbpf \/sys\/fs\/bpf bpf /)
})

void test('cleanup has nothing to do without bpffs', async (t) => {
  if (!requireRoot(t)) return
  const { where } = agentPlace(t)
  const { code, stderr } = runBroken(meshaccel('cleanup', ...where), { broken: breakings.noBpffs })
  t.equal(stderr, 'nothing of meshaccel is left\n')
  t.equal(code, 0)
})

void test('cleanup and drain name what keeps them from pins', async (t) => {
  if (!requireRoot(t)) return
  const { where } = agentPlace(t)
  for (const command of ['cleanup', 'drain']) {
    const { code, stderr } = runBroken(meshaccel(command, ...where), {
      through: ['setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin'],
    })
    t.equal(code, 1)
    t.match(stderr, /this process lacks CAP_NET_ADMIN/)
  }
})

void test('doctor shows what is missing in place of probes that could not run', async (t) => {
  if (!requireRoot(t)) return
  const surroundings = { broken: breakings.lockdown }
  const { code, stdout } = runBroken(meshaccel('doctor', '-o', 'json'), surroundings)
  t.equal(code, 1)
  const told: unknown = JSON.parse(stdout)
  t.match(told, {
    policy: 'refused',
    refusedBecause: /^lockdown: .*lockdown=integrity/,
    probes: [],
  })
  t.match(told, {
    btf: '/sys/kernel/btf/vmlinux',
    machine: [{ check: 'lockdown', level: 'refused', found: String, means: String, mend: String }],
  })
  const table = runBroken(meshaccel('doctor'), surroundings).stdout
  t.match(table, /^refused +lockdown +kernel lockdown is in the mode confidentiality/m)
  t.match(table, /^types \(BTF\) from \/sys\/kernel\/btf\/vmlinux$/m)
  t.match(table, /^ +fix it: boot with lockdown=integrity/m)
  t.match(table, /^next: fix what is marked/m)
})

void test('an old Node is named before anything is loaded that needs a newer one', async (t) => {
  const old =
    'data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"18.20.8"}})'
  const [node = '', ...rest] = meshaccel('status')
  const { code, stderr } = runBroken([node, `--import=${old}`, ...rest], {})
  t.equal(code, 1)
  t.match(stderr, /meshaccel needs Node 20 or newer; this is 18\.20\.8/)
})

void test('probes and metrics are served without IPv6', async (t) => {
  if (!requireRoot(t)) return
  const directory = mkdtempSync(join(tmpdir(), 'meshaccel-preflight-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const refuseCall = compile('kernel/preflight/refuse-call.c', 'refuse-call', directory)
  const program = bundleProgram(
    'serve-http',
    `
    import { HttpServer } from './src/api/http.ts'
    const server = await HttpServer.listen({ host: '::', port: 0 }, {})
    const { status } = await fetch('http://127.0.0.1:' + server.port + '/')
    await server.close()
    console.log(status)`,
  )
  const command = [process.execPath, program]
  const { stdout, stderr } = runBroken(command, { through: [refuseCall, 'ipv6'] })
  t.equal(stdout, '404\n', stderr)
})
