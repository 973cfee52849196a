/** The application of a meshed pod. It sends back the bytes that it gets. */
import { createServer } from 'node:http'

const server = createServer(
  { requestTimeout: 0, keepAliveTimeout: 3_600_000 },
  (request, response) => {
    response.setHeader('x-pod', process.env['HOSTNAME'] ?? '')
    request.pipe(response)
  },
)
server.listen(8080, '0.0.0.0')
process.on('SIGTERM', () => process.exit(0))
