import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { ChainKeeper } from '../../cni/chain-keeper.ts'
import { chainIn } from '../../cni/chain.ts'
import { hasPlugin, pluginType } from '../../cni/conflist.ts'
import { createLog } from '../../src/log.ts'
import { meshes } from '../helpers/cni-installers.ts'

const list = '{"name": "pods", "plugins": [{"type": "ptp"}]}'

/** A keeper on a directory, and a clock that moves only when told. */
function keeping(dir: string): { look: (afterMs?: number) => number; said: string[] } {
  let nowMs = 0
  const said: string[] = []
  const log = createLog('info', {
    write: (line) => {
      const { msg }: { msg: string } = JSON.parse(line)
      said.push(msg)
    },
  })
  const keeper = new ChainKeeper({
    chainIn: () => chainIn(dir, { type: pluginType }),
    log,
    now: () => nowMs,
  })
  return {
    look: (afterMs = 1_000) => {
      nowMs += afterMs
      return keeper.look()
    },
    said,
  }
}

void test('comes back after others have rewritten the file, and then lets it be', async (t) => {
  const dir = t.testdir({ '10-net.conflist': list })
  const path = join(dir, '10-net.conflist')
  const { look, said } = keeping(dir)
  look()
  t.ok(hasPlugin(readFileSync(path, 'utf8')))
  for (let day = 0; day < 3; day++) {
    look(86_400_000)
    writeFileSync(path, list)
    t.equal(look(), 1_000)
    t.ok(hasPlugin(readFileSync(path, 'utf8')))
    for (const { installs } of meshes) installs(dir)
    const { ino, mtimeNs } = statSync(path, { bigint: true })
    for (let times = 0; times < 100; times++) look()
    t.match(statSync(path, { bigint: true }), { ino, mtimeNs }, 'its own writes cause no other')
  }
  t.equal(said.length, 4)
})

void test('does not fight with somebody who throws it out each time', async (t) => {
  const dir = t.testdir({ '10-net.conflist': list })
  const { look, said } = keeping(dir)
  let pauseMs = 0
  let hours = 0
  for (let ms = 0; ms < 3_600_000; ms += pauseMs) {
    writeFileSync(join(dir, '10-net.conflist'), list)
    pauseMs = look(pauseMs)
    hours += 1
  }
  t.ok(hours < 30, `${hours} returns in an hour`)
  t.equal(pauseMs, 300_000)
  t.equal(said.length, hours)
  t.equal(look(pauseMs), 1_000, 'once it is left in peace it looks often again')
})

void test('waits for a network that is not there yet, and says so once', async (t) => {
  const dir = t.testdir({})
  const { look, said } = keeping(dir)
  for (let times = 0; times < 5; times++) t.equal(look(), 1_000)
  t.match(said, [/no network is configured/])
  writeFileSync(join(dir, '10-net.conflist'), list)
  look()
  t.match(said, [/no network/, /chained in/])
})

void test('looks by itself until it is disposed of', async (t) => {
  let looks = 0
  const seen = new Promise<void>((resolve) => {
    const keeper = new ChainKeeper({
      chainIn: () => {
        looks += 1
        if (looks === 2) {
          // The timer of the next look is set after this one.
          setImmediate(() => {
            keeper[Symbol.dispose]()
            resolve()
          })
        }
        return undefined
      },
      log: createLog('silent'),
    })
    keeper.start()
  })
  await seen
  t.equal(looks, 2)
})
