import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { Kernels } from '../../../src/compile/kernels.ts'

void test('the BTF of a target', async (t) => {
  const directory = t.testdir()
  mkdirSync(join(directory, 'aarch64'))
  writeFileSync(join(directory, 'aarch64/6.1.0.btf'), 'of arm')
  const own = Buffer.from('own')
  const kernels = new Kernels(own, 'x86_64', '6.18.1', directory)
  t.equal(kernels.find({ machine: 'x86_64', release: undefined }), own)
  t.equal(kernels.find({ machine: 'x86_64', release: '6.18.1' }), own)
  t.equal(kernels.find({ machine: 'aarch64', release: undefined }), undefined)
  t.equal(String(kernels.find({ machine: 'aarch64', release: '6.1.0' })), 'of arm')
  t.throws(() => kernels.find({ machine: 'aarch64', release: '6.18.1' }), {
    code: 'NO_BTF',
    message: 'find the types of the target: the server has no BTF of Linux 6.18.1 (aarch64)',
    hint: /--btf FILE/,
  })
  const others = new Kernels(undefined, 'x86_64', '6.18.1', undefined)
  t.throws(() => others.find({ machine: 'x86_64', release: '6.18.1' }), { code: 'NO_BTF' })
})
