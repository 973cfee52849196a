import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js'
import { packageRoot } from '../lib/package.ts'
import { decode, encode } from './proto-codec.ts'
import { readProto } from './proto-file.ts'

export const controlService = 'meshaccel.v1.Control'

type Method = MethodDefinition<object, object>

/** The service of control.proto. Fields are camelCase, uint64 fields are bigint, absent optional fields are absent. */
export function loadControlService(): ServiceDefinition {
  const proto = readProto(readFileSync(join(packageRoot, 'src/api/control.proto'), 'utf8'))
  const methods = proto.services.get(controlService.slice(proto.package.length + 1))
  if (!methods) throw new Error(`control.proto defines no ${controlService}`)
  return Object.fromEntries(
    methods.map(({ name, request, response, responseStream }): [string, Method] => [
      name,
      {
        path: `/${controlService}/${name}`,
        requestStream: false,
        responseStream,
        requestSerialize: (value) => encode(request, value),
        requestDeserialize: (bytes) => decode(request, bytes),
        responseSerialize: (value) => encode(response, value),
        responseDeserialize: (bytes) => decode(response, bytes),
      },
    ]),
  )
}
