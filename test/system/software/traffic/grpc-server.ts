/** A gRPC server that sends back the bytes that it gets: whole, collected, split, and part by part. */
import {
  Server,
  ServerCredentials,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
} from '@grpc/grpc-js'
import { echoService, PART } from './grpc.ts'

const { host, port } = JSON.parse(process.argv[2] ?? '{}')
const LIMIT = { 'grpc.max_receive_message_length': -1 }

const server = new Server(LIMIT)
server.addService(echoService, {
  unary: (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) =>
    answer(null, call.request),
  collect: (call: ServerReadableStream<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => {
    const parts: Buffer[] = []
    call.on('data', (part: Buffer) => parts.push(part))
    call.on('end', () => answer(null, Buffer.concat(parts)))
  },
  split: (call: ServerWritableStream<Buffer, Buffer>) => {
    for (let at = 0; at < call.request.length; at += PART) {
      call.write(call.request.subarray(at, at + PART))
    }
    call.end()
  },
  chat: (call: ServerDuplexStream<Buffer, Buffer>) => {
    call.on('data', (part: Buffer) => call.write(part))
    call.on('end', () => call.end())
  },
})
server.bindAsync(`${host}:${port}`, ServerCredentials.createInsecure(), (error) => {
  if (error) throw error
  process.stdout.write('{"event":"ready"}\n')
})
