import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { describeChain } from '../../../src/cli/commands/doctor.ts'
import {
  type ChainState,
  readChainState,
  writeChainState,
} from '../../../src/lib/cni-chain-state.ts'

const contested: ChainState = {
  state: 'contested',
  file: '05-cilium.conflist',
  problem: 'another program takes the CNI plugin out of 05-cilium.conflist each time',
  hint: 'Set cni.exclusive=false.',
  since: '2026-01-02T03:04:05.678Z',
}

void test('the state that the keeper tells', async (t) => {
  const dir = t.testdir({})
  const path = join(dir, 'cni-chain.json')
  t.equal(readChainState(path), undefined)
  writeChainState(path, contested)
  t.strictSame(readChainState(path), contested)
  t.strictSame(readdirSync(dir), ['cni-chain.json'])
  writeFileSync(path, '{"state": 5}')
  t.equal(readChainState(path), undefined, 'of another version')
  writeChainState(path, undefined)
  t.strictSame(readdirSync(dir), [])
  const nowhere = join(dir, 'no/directory')
  writeChainState(nowhere, contested)
  t.equal(readChainState(nowhere), undefined, 'nobody reads it there')
})

void test('doctor tells it', async (t) => {
  t.equal(describeChain(undefined, 80), '')
  t.equal(
    describeChain(contested, 80),
    `CNI plugin contested (05-cilium.conflist) since 2026-01-02T03:04:05.678Z
  another program takes the CNI plugin out of 05-cilium.conflist each time
  Set cni.exclusive=false.
`,
  )
})
