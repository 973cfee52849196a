import { test } from 'tap'
import { drainAll, type ScannedPins, Scans } from '../../../../src/datapath/loop/scans.ts'
import { until } from '../../../helpers/retry.ts'

const SETTINGS_ONLY = 2n ** 63n

/** Pins with connections that need kicks for their readers. */
class FakePins implements ScannedPins {
  readonly kick = '/kick'
  readonly scan = { iterate: (): Buffer => this.#iterate() }
  readonly survey = { run: (): void => undefined }
  readonly reset: undefined
  /** The output of each scan. */
  output: bigint[] = []
  members = 0
  scans = 0

  stopRedirecting(): boolean {
    return true
  }

  countMembers(): number {
    return this.members
  }

  #iterate(): Buffer {
    this.scans++
    const buffer = Buffer.alloc(8 * this.output.length)
    this.output.forEach((cookie, index) => buffer.writeBigUInt64LE(cookie, 8 * index))
    return buffer
  }
}

type Walk = (cookie: bigint) => Promise<Buffer | undefined>

function fixture(walk: Walk): { pins: FakePins; scans: Scans; settings: bigint[] } {
  const pins = new FakePins()
  const settings: bigint[] = []
  const scans = new Scans({
    pins,
    walks: { walk: (_, cookie) => walk(cookie) },
    netnsPaths: new Map(),
    giveSettings: (cookie) => settings.push(cookie),
  })
  return { pins, scans, settings }
}

const done = async (): Promise<Buffer> => Buffer.alloc(0)

void test('a scan kicks in each pod that it names, and says which could not be walked over', async (t) => {
  const walked: bigint[] = []
  const { pins, scans, settings } = fixture(async (cookie) => {
    walked.push(cookie)
    return cookie === 2n ? undefined : Buffer.alloc(0)
  })
  pins.output = [1n, 2n, 1n, 3n | SETTINGS_ONLY, 4n, 0n]
  t.match(await scans.scan(), { unkicked: [2n] })
  t.strictSame(walked, [1n, 2n, 4n])
  t.strictSame(settings, [3n], 'settings can wait')
})

void test('the next scan comes soon only if this one says so', async (t) => {
  const soon = 0n
  const watch = 2n ** 64n - 2n
  const visit = 2n ** 62n
  const { pins, scans } = fixture(done)
  const pause = async (...output: bigint[]): Promise<number> => {
    pins.output = output
    return (await scans.scan()).waitMs
  }
  const [idle, busy] = [await pause(), await pause(soon)]
  t.ok(busy < idle)
  t.equal(await pause(watch), idle, 'members are watched at all times')
  t.equal(await pause(1n | visit, watch), idle, 'an end waits for its peer for some time')
  t.equal(await pause(1n | visit, soon), busy, 'another one has just begun to wait')
})

void test('scans never overlap, and none begins once they are closed', async (t) => {
  let letGo: (() => void) | undefined
  const { pins, scans } = fixture(async () => {
    await new Promise<void>((resolve) => (letGo = resolve))
    return Buffer.alloc(0)
  })
  pins.output = [1n]
  const both = [scans.scan(), scans.scan()]
  await until('the first one walks', () => pins.scans === 1, { pauseMs: 1 })
  letGo?.()
  await until('then the second one', () => pins.scans === 2, { pauseMs: 1 })
  const closed = scans.close()
  letGo?.()
  await Promise.all([...both, closed])
  await scans.scan()
  t.equal(pins.scans, 2)
})

void test('a drain that the end of the agent cuts short has not drained', async (t) => {
  const { pins, scans } = fixture(done)
  pins.members = 1
  const draining = drainAll(scans, { timeoutMs: 60_000 }, () => '')
  await until('it scans', () => pins.scans > 0, { pauseMs: 1 })
  pins.members = 0
  await scans.close()
  await t.rejects(draining, { code: 'AGENT_ENDS' })
})

void test('drained is only who has been woken, too', async (t) => {
  let isBlocked = true
  const { pins, scans } = fixture(async () => (isBlocked ? undefined : done()))
  pins.output = [7n]
  const drain = (): Promise<boolean> =>
    drainAll(scans, { timeoutMs: 0 }, (unkicked) => `pod ${unkicked.join()}`)
  await t.rejects(drain(), {
    code: 'DRAIN_TIMEOUT',
    message: 'drain: the readers of 1 pods could not be woken: pod 7',
  })
  pins.members = 2
  await t.rejects(drain(), { message: 'drain: 2 sockets are still members: pod 7' })
  pins.members = 0
  isBlocked = false
  t.equal(await drain(), false)
})
