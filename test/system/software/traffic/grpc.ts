import type { MethodDefinition } from '@grpc/grpc-js'

const method = (
  name: string,
  requestStream: boolean,
  responseStream: boolean,
): MethodDefinition<Buffer, Buffer> => ({
  path: `/Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
})

const asIs = (bytes: Buffer): Buffer => bytes

/** The four kinds of calls, with bytes instead of messages. */
export const echoService: Record<
  'unary' | 'collect' | 'split' | 'chat',
  MethodDefinition<Buffer, Buffer>
> = {
  unary: method('Unary', false, false),
  collect: method('Collect', true, false),
  split: method('Split', false, true),
  chat: method('Chat', true, true),
}

/** The length of the parts that `split` returns and `collect` takes. */
export const PART = 16_000
