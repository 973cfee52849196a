import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Child } from '../system/child.ts'
import { listening, type Pod, startInPod } from '../topology/pod.ts'
import type { Waiting } from '../measure/polling.ts'
import type { UndoStack } from '../system/undo-stack.ts'

/** The application's addresses: a port of its pod's address, and a Unix socket. */
export interface ApplicationAddress {
  readonly host: string
  readonly port: number
  readonly socket: string
}

/** Starts nginx as the application, with one file per payload size. */
export async function startApplication(
  stack: UndoStack,
  pod: Pod,
  directory: string,
  address: ApplicationAddress,
  waiting: Waiting,
): Promise<Child> {
  const config = join(directory, 'nginx.conf')
  writeFileSync(config, nginxConfig(directory, address))
  const child = await startInPod(stack, pod, 'nginx', ['nginx', '-p', directory, '-c', config])
  await listening(pod, child, { host: address.host, port: address.port }, waiting)
  await listening(pod, child, { socket: address.socket }, waiting)
  return child
}

/** Creates the files that the application serves: `/81` is 81 bytes long. */
export function writePayloads(directory: string, sizes: readonly number[]): void {
  const root = join(directory, 'payloads')
  mkdirSync(root, { recursive: true })
  for (const size of sizes)
    writeFileSync(
      join(root, String(size)),
      'meshaccel '.repeat(Math.ceil(size / 10)).slice(0, size),
    )
}

export function nginxConfig(directory: string, { host, port, socket }: ApplicationAddress): string {
  return `daemon off;
master_process off;
user root;
pid ${directory}/nginx.pid;
error_log stderr warn;
worker_rlimit_nofile 65536;
events { worker_connections 32768; }
http {
  access_log off;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  open_file_cache max=64;
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  server {
    listen ${host}:${port} backlog=4096;
    listen unix:${socket};
    root ${directory}/payloads;
  }
}
`
}
