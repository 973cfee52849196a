import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { envoyConfig } from '../../../bench/proxies/envoy.ts'
import { haproxyConfig } from '../../../bench/proxies/haproxy.ts'
import type { Hop } from '../../../bench/proxies/hop.ts'
import { parseCpuUsec, cgroup2Root } from '../../../bench/topology/scratch-cgroup.ts'
import { parseMountinfo } from '../../../src/lib/mountinfo.ts'

const inbound: Hop = {
  direction: 'inbound',
  protocol: 'http',
  listen: { host: '0.0.0.0', port: 15006 },
  forward: { host: '10.0.0.2', port: 8080 },
  source: '127.0.0.6',
}

void test('HAProxy takes every configuration', (t) => {
  const unix = { listen: { socket: '/tmp/in' }, forward: { socket: '/tmp/out' } }
  const directory = t.testdir()
  for (const hop of [
    inbound,
    { ...inbound, protocol: 'tcp' as const },
    { ...inbound, ...unix },
    { ...inbound, transparent: true },
  ]) {
    const path = join(directory, 'haproxy.cfg')
    writeFileSync(path, haproxyConfig(hop))
    const { status, stdout, stderr } = spawnSync('haproxy', ['-c', '-f', path], {
      encoding: 'utf8',
    })
    t.equal(status, 0, stdout + stderr)
    t.notMatch(stdout + stderr, /warning/i)
  }
  t.match(haproxyConfig(inbound), 'http-reuse always')
  t.match(haproxyConfig(inbound), 'source 127.0.0.6')
  t.end()
})

void test('Envoy forwards to the original destination, from the address that the mesh uses', (t) => {
  const { static_resources: resources } = JSON.parse(envoyConfig(inbound))
  t.match(resources, {
    listeners: [{ listener_filters: [{ name: 'original_dst' }] }],
    clusters: [
      {
        type: 'ORIGINAL_DST',
        lb_policy: 'CLUSTER_PROVIDED',
        upstream_bind_config: { source_address: { address: '127.0.0.6' } },
      },
    ],
  })
  t.end()
})

void test('with mTLS one sidecar opens what the other one closes', (t) => {
  const tls = { authority: '/ca', certificate: '/crt', key: '/key' }
  const outbound: Hop = { ...inbound, direction: 'outbound', tls }
  const client = JSON.parse(envoyConfig(outbound)).static_resources
  t.ok(client.clusters[0].transport_socket)
  t.notOk(client.listeners[0].filter_chains[0].transport_socket)
  const server = JSON.parse(envoyConfig({ ...inbound, tls })).static_resources
  t.notOk(server.clusters[0].transport_socket)
  const typed = server.listeners[0].filter_chains[0].transport_socket.typed_config
  t.equal(typed.require_client_certificate, true)
  t.end()
})

void test('cgroup v2 is found beside cgroup v1, and its CPU time read', (t) => {
  const mounts = `30 23 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw
`
  t.equal(cgroup2Root(parseMountinfo(mounts)), '/sys/fs/cgroup/unified')
  t.throws(() => cgroup2Root(parseMountinfo('30 23 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n')), {
    code: 'NO_CGROUP2',
  })
  t.equal(parseCpuUsec('usage_usec 1234\nuser_usec 1000\n'), 1234)
  t.throws(() => parseCpuUsec(''))
  t.end()
})
