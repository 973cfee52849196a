import { test } from 'tap'
import { loadControlService } from '../../../src/api/wire.ts'
import { sampleStatus } from '../../helpers/sample-status.ts'

void test('control.proto has a field for all that the status tells', (t) => {
  const { Status } = loadControlService()
  const told: unknown = Status?.responseDeserialize(Status.responseSerialize(sampleStatus))
  t.strictSame(told, sampleStatus, 'protobufjs leaves out what control.proto does not name')
  t.end()
})
