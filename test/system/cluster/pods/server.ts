/** The application of a meshed pod: answers with what it was sent. */
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
