import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { requireRoot } from '../../helpers/requirements.ts'
import { Client, listening, liveThrough } from './life.ts'
import { meshedPods, SIDECARS } from './sidecars.ts'

const PORT = 8080

void test('nginx takes request bodies of 1 B to 100 MiB and gives them back', async (t) => {
  if (!requireRoot(t)) return
  const { mesh, client, server } = await meshedPods(t)
  const config = join(mesh.directory, 'nginx.conf')
  writeFileSync(config, nginxConfig(mesh.directory))
  server.start('nginx', '-p', mesh.directory, '-c', config)
  await listening(server, PORT)
  const options = { host: server.address, port: PORT, how: 'store' }
  const small = await Client.start(client, 'http-client', {
    ...options,
    connections: 8,
    sizes: [1, 1023, 8192, 70_000, 1 << 20],
  })
  const big = await Client.start(client, 'http-client', {
    ...options,
    folder: 'big',
    connections: 1,
    sizes: [100 << 20, 1],
  })
  await liveThrough(t, mesh, [small, big], [...SIDECARS, PORT])
})

function nginxConfig(directory: string): string {
  return `daemon off;
user root;
worker_processes 2;
pid ${directory}/nginx.pid;
error_log stderr error;
events { worker_connections 1024; }
http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  client_max_body_size 200m;
  client_body_temp_path ${directory}/body;
  server {
    listen ${PORT};
    root ${directory}/www;
    dav_methods PUT;
    create_full_put_path on;
  }
}
`
}
