import { join } from 'node:path'
import type { ServiceDefinition } from '@grpc/grpc-js'
import { loadSync, type MethodDefinition } from '@grpc/proto-loader'
import { packageRoot } from '../lib/package.ts'

export const controlService = 'meshaccel.v1.Control'

/**
 * The service of control.proto. Fields are camelCase, uint64 fields are bigint, and unset optional fields are absent.
 */
export function loadControlService(): ServiceDefinition {
  const loaded = loadSync(join(packageRoot, 'src/api/control.proto'), {
    defaults: true,
    arrays: true,
    objects: true,
  })[controlService]
  if (!loaded || 'format' in loaded) throw new Error(`control.proto defines no ${controlService}`)
  return Object.fromEntries(
    Object.entries(loaded).map(([name, method]) => [name, withBigints(method)]),
  )
}

type Method = MethodDefinition<object, object, object, object>

function withBigints(method: Method): Method {
  return {
    ...method,
    requestSerialize: (value) => method.requestSerialize(mapFields(value, fromBigints)),
    requestDeserialize: (bytes) => mapFields(method.requestDeserialize(bytes), toBigints),
    responseSerialize: (value) => method.responseSerialize(mapFields(value, fromBigints)),
    responseDeserialize: (bytes) => mapFields(method.responseDeserialize(bytes), toBigints),
  }
}

/** protobufjs takes 64-bit numbers as text. */
function fromBigints(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  return isObject(value) ? mapFields(value, fromBigints) : value
}

/** protobufjs returns a 64-bit number as an object with two halves. */
function toBigints(value: unknown): unknown {
  if (!isObject(value)) return value
  if (!isLong(value)) return mapFields(value, toBigints)
  return (BigInt(value.high >>> 0) << 32n) | BigInt(value.low >>> 0)
}

function mapFields(value: object, map: (value: unknown) => unknown): object {
  if (Array.isArray(value)) return value.map(map)
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, map(field)]))
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

interface Long {
  readonly __isLong__: true
  readonly high: number
  readonly low: number
}

function isLong(value: object): value is Long {
  return '__isLong__' in value
}
