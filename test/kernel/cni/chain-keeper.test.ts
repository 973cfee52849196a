import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { PluginBinary } from '../../../cni/binary.ts'
import { ChainKeeper } from '../../../cni/chain-keeper.ts'
import { besideName } from '../../../cni/conf-dir.ts'
import { hasPlugin, pluginType } from '../../../cni/conflist.ts'
import type { ChainState } from '../../../src/lib/cni-chain-state.ts'
import { createLog } from '../../../src/lib/log.ts'
import { chain, content, nodeWith, types, type CniDirs } from '../../helpers/cni-dirs.ts'
import { listWith, meshes } from '../../helpers/cni-installers.ts'
import { cniPlugin } from '../../helpers/cni-plugin.ts'

const list = '10-net.conflist'
const text = listWith('ptp')

interface Keeping {
  /** Advances the clock and has the keeper check. */
  readonly look: (afterMs?: number) => void
  readonly said: { level: string; msg: string; hint?: string }[]
  readonly states: ChainState[]
  readonly state: () => string | undefined
}

/** A node's keeper, with a clock that the test moves. */
function keeping(node: CniDirs): Keeping {
  let nowMs = 0
  const binary = new PluginBinary(cniPlugin)
  const said: Keeping['said'] = []
  const states: ChainState[] = []
  const keeper = new ChainKeeper({
    chainIn: (hold) => chain(node, hold, binary),
    log: createLog('info', { write: (line) => said.push(JSON.parse(line)) }),
    onState: (state) => states.push(state),
    now: () => nowMs,
  })
  return {
    look: (afterMs = 1_000) => {
      nowMs += afterMs
      keeper.look()
    },
    said,
    states,
    state: () => states.at(-1)?.state,
  }
}

void test('comes back after others have rewritten the file, and then lets it be', async (t) => {
  const node = nodeWith(t, { [list]: text }, ['ptp', 'istio-cni', 'linkerd-cni'])
  const path = join(node.conf, list)
  const { look, said, state } = keeping(node)
  const isChained = (): boolean => hasPlugin(readFileSync(path, 'utf8'))
  look()
  t.ok(isChained())
  for (let day = 0; day < 3; day++) {
    look(86_400_000)
    writeFileSync(path, text)
    look()
    t.ok(isChained())
    for (const { installs } of meshes) installs(node.conf)
    const { ino, mtimeNs } = statSync(path, { bigint: true })
    for (let times = 0; times < 100; times++) look()
    t.match(statSync(path, { bigint: true }), { ino, mtimeNs }, 'its own writes cause no other')
  }
  t.strictSame(
    said.map(({ msg }) => msg),
    Array(4).fill('CNI plugin chained in'),
  )
  t.equal(state(), 'chained')
})

void test('another keeper is seen after its second removal, and told once', async (t) => {
  const node = nodeWith(t, { [list]: text }, ['ptp'])
  const path = join(node.conf, list)
  const { look, said, states, state } = keeping(node)
  const warnings = (): typeof said => said.filter(({ level }) => level === 'warn')
  const isChained = (): boolean => hasPlugin(readFileSync(path, 'utf8'))
  // Acts like Cilium with cni.exclusive: at each change in the directory.
  let returns = 0
  const exclusive = (): void => {
    if (!isChained()) return
    returns++
    writeFileSync(path, text)
  }
  look()
  exclusive()
  look()
  t.strictSame(warnings(), [], 'once may be an installer that has just started')
  exclusive()
  look()
  t.match(warnings(), [
    {
      msg: /another program takes the CNI plugin out of 10-net\.conflist each time; pods are enrolled without it/,
      hint: /cni\.exclusive=false.*cni\.enabled=false/,
    },
  ])
  t.match(states.at(-1), {
    state: 'contested',
    file: list,
    problem: /another program/,
    hint: String,
  })
  exclusive()
  for (let ms = 0; ms < 3_600_000; ms += 10_000) {
    look(10_000)
    exclusive()
  }
  t.ok(returns < 30, `${returns} returns in an hour`)
  t.equal(warnings().length, 1)
  t.equal(state(), 'contested')
  // The keeper's setting changes.
  for (let ms = 0; ms < 600_000; ms += 10_000) look(10_000)
  t.ok(isChained())
  t.equal(state(), 'chained')
  writeFileSync(path, text)
  look()
  t.ok(isChained(), 'once it is left in peace it comes back at once')
})

void test('also when its own list is set aside', async (t) => {
  const conf = '{"cniVersion": "1.0.0", "name": "a", "type": "ptp"}'
  const node = nodeWith(t, { '10-a.conf': conf }, ['ptp'])
  const ours = join(node.conf, besideName('10-a.conf'))
  const { look, state, said } = keeping(node)
  for (let times = 0; times < 2; times++) {
    look()
    renameSync(ours, `${ours}.cilium_bak`)
  }
  look()
  t.equal(state(), 'contested')
  t.match(said.at(-1), { msg: /out of 10-a\.conf each time/ })
})

void test('waits for a network that is not there yet, and says so once', async (t) => {
  const node = nodeWith(t, {}, ['ptp'])
  const { look, said, state } = keeping(node)
  for (let times = 0; times < 5; times++) look()
  t.match(said, [{ msg: /no network is configured/ }])
  t.equal(state(), 'waiting')
  writeFileSync(join(node.conf, list), text)
  look()
  t.match(said, [{}, { msg: /chained in/ }])
  t.equal(state(), 'chained')
})

void test('a binary that goes is restored; where it cannot be, the entry goes', async (t) => {
  const node = nodeWith(t, { [list]: text }, ['ptp'])
  const binary = join(node.bin, pluginType)
  const { look, said, state } = keeping(node)
  look()
  const { mode, size } = statSync(binary)
  // A node upgrade unpacks its plugins again.
  rmSync(binary)
  look()
  t.match(statSync(binary), { mode, size })
  writeFileSync(binary, 'another one')
  look()
  t.match(statSync(binary), { mode, size })
  t.equal(state(), 'chained')

  // All plugins are removed: the runtime may have them elsewhere now.
  renameSync(node.bin, `${node.bin}.old`)
  look()
  t.equal(content(node.conf)[list], text)
  t.equal(state(), 'refused')
  t.match(said.at(-1), { level: 'warn', msg: /10-net\.conflist runs plugins that are not there/ })
  const told = said.length
  look()
  t.equal(said.length, told)
  t.equal(content(node.conf)[list], text)

  renameSync(`${node.bin}.old`, node.bin)
  rmSync(binary)
  look()
  t.strictSame(types(node.conf, list), ['ptp', pluginType])
  t.match(statSync(binary), { mode, size })
  t.equal(state(), 'chained', 'our own removal is no fight')
})

void test('looks by itself until it is disposed of', async (t) => {
  let looks = 0
  const seen = new Promise<void>((resolve) => {
    const keeper = new ChainKeeper({
      chainIn: () => {
        looks += 1
        if (looks === 2) {
          // The timer of the next check is set after this one.
          setImmediate(() => {
            keeper[Symbol.dispose]()
            resolve()
          })
        }
        return { file: list, entry: 'there', written: false }
      },
      log: createLog('silent'),
    })
    keeper.start()
  })
  await seen
  t.equal(looks, 2)
})
