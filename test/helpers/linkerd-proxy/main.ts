// Stands in for linkerd2-proxy: it starts as that does, and then forwards connections to their original destination.
import { spawn } from 'node:child_process'
import { createServer } from 'node:http'
import { dirname, join } from 'node:path'
import { discover, getCertificate, type Ports, portsOf, Settings } from './start.ts'

console.log(
  '[     0.000001s]  INFO ThreadId(01) linkerd2_proxy: release 0.0.0-test (abcdef) by nobody',
)

const settings = new Settings(process.env)

function start(ports: Ports): void {
  let ready = false
  createServer((request, response) => {
    response.statusCode = request.url === '/ready' && !ready ? 503 : 200
    response.end('ready\n')
  }).listen(ports.admin, '127.0.0.1')
  const certified = async (): Promise<void> => {
    await getCertificate(settings)
    await discover(settings, `${settings.get('INBOUND_IPS')}:${settings.get('INBOUND_PORTS')}`)
    ready = true
  }
  const forward = join(dirname(process.argv[1] ?? ''), 'forward')
  const { inbound, outbound } = ports
  const child = spawn(forward, [String(inbound), String(outbound)], { stdio: 'inherit' })
  child.on('exit', (code) => process.exit(code ?? 0))
  // Its ports must be free when this process has ended.
  process.on('SIGTERM', () => child.kill())
  certified().catch((error: unknown) => console.error(error))
}

try {
  start(portsOf(settings))
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 64
}
