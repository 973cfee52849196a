import { test } from 'tap'
import { mountOf, readMounts } from '../../../src/lib/mountinfo.ts'

void test('reads the mounts that this process sees', async (t) => {
  const mount = mountOf(readMounts(), '/proc/self')
  t.equal(mount?.type, 'proc')
  t.equal(mount?.mountPoint, '/proc')
})
