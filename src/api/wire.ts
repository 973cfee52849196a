import { join } from 'node:path'
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { packageRoot } from '../package.ts'

const service = 'meshaccel.v1.Control'

/** The service of control.proto. Fields are camelCase, uint64 fields are bigint, absent optional fields are absent. */
export function loadControlService(): ServiceDefinition {
  const loaded = loadSync(join(packageRoot, 'src/api/control.proto'), {
    defaults: true,
    arrays: true,
    objects: true,
  })[service] as ServiceDefinition
  return Object.fromEntries(
    Object.entries(loaded).map(([name, method]) => [name, withBigints(method)]),
  )
}

type Method = MethodDefinition<unknown, unknown>

function withBigints(method: Method): Method {
  return {
    ...method,
    requestSerialize: (value) => method.requestSerialize(fromBigints(value)),
    requestDeserialize: (bytes) => toBigints(method.requestDeserialize(bytes)),
    responseSerialize: (value) => method.responseSerialize(fromBigints(value)),
    responseDeserialize: (bytes) => toBigints(method.responseDeserialize(bytes)),
  }
}

/** protobufjs takes 64 bits as text. */
function fromBigints(value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : mapValues(value, fromBigints)
}

/** protobufjs gives 64 bits as an object of two halves. */
function toBigints(value: unknown): unknown {
  if (!isLong(value)) return mapValues(value, toBigints)
  return (BigInt(value.high >>> 0) << 32n) | BigInt(value.low >>> 0)
}

function mapValues(value: unknown, map: (value: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map(map)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, map(field)]))
}

interface Long {
  readonly __isLong__: true
  readonly high: number
  readonly low: number
}

function isLong(value: unknown): value is Long {
  return typeof value === 'object' && value !== null && '__isLong__' in value
}
