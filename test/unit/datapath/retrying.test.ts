import { test } from 'tap'
import type { Datapath, DatapathEvent } from '../../../src/datapath/datapath.ts'
import { RetryingDatapath } from '../../../src/datapath/retrying.ts'
import { createLog } from '../../../src/lib/log.ts'
import { FakeDatapath } from '../../helpers/fake-datapath.ts'
import { until } from '../../helpers/retry.ts'

const quarantined: DatapathEvent = { kind: 'quarantined', netnsCookie: 1n, pid: 2, comm: 'reader' }
const settings = {
  histograms: true,
  oneIn: 8,
  slowReadMs: 5,
  slowRequestMs: 0,
  trial: [],
  changes: false,
}

/** Each attempt to open gets the next of these answers. */
function undecided(answers: readonly (Datapath | Error | undefined)[]): {
  datapath: RetryingDatapath
  refused: FakeDatapath
  asked: AbortSignal[]
  pausesS: () => number[]
} {
  const refused = new FakeDatapath()
  refused.policy = 'refused'
  refused.refusedBecause = 'too slow'
  const asked: AbortSignal[] = []
  let written = ''
  const log = createLog('info', { write: (text) => void (written += text) })
  const open = async (signal: AbortSignal): Promise<Datapath | undefined> => {
    const answer = answers[asked.push(signal) - 1]
    if (answer instanceof Error) throw answer
    return answer
  }
  const datapath = new RetryingDatapath({ refused, open, log, firstPauseMs: 1 })
  const pausesS = (): number[] =>
    [...written.matchAll(/"againInS":([\d.]+)/g)].map(([, seconds]) => Number(seconds))
  return { datapath, refused, asked, pausesS }
}

void test('tries again after longer and longer pauses, whatever went wrong, until it can tell', async (t) => {
  const opened = new FakeDatapath()
  const answers = [undefined, new Error('busy'), undefined, opened]
  const { datapath, refused, asked, pausesS } = undecided(answers)
  t.match(datapath, { policy: 'refused', refusedBecause: 'too slow' }, 'refused meanwhile')
  const heard: DatapathEvent[] = []
  datapath.listen((event) => heard.push(event))
  datapath.measure(settings)
  await until('it is judged', () => datapath.policy === 'strict', { pauseMs: 1 })
  t.equal(asked.length, answers.length)
  t.strictSame(pausesS(), [0.001, 0.002, 0.004, 0.008], 'it says so each time')
  t.equal(datapath.refusedBecause, undefined)

  opened.tell(quarantined)
  t.strictSame(heard, [quarantined], 'who listened before hears of the new one')
  t.strictSame(opened.settings, settings, 'what was measured before is measured now')
  datapath.enrol({ netnsCookie: 7n, netnsPath: '/run/netns/a', proxyUid: 1 })
  t.strictSame(opened.calls, ['enrol 7'])
  t.equal(refused.closed, 0, "its lock is the new one's")
  await datapath.close()
  t.equal(opened.closed, 1)
})

void test('one that is refused by evidence at last is not tried again', async (t) => {
  const opened = new FakeDatapath()
  opened.policy = 'refused'
  opened.refusedBecause = 'ordering: bytes are lost'
  const { datapath, asked, pausesS } = undecided([opened])
  await until('it is judged', () => datapath.refusedBecause === opened.refusedBecause, {
    pauseMs: 1,
  })
  t.equal(asked.length, 1)
  t.strictSame(pausesS(), [0.001], 'and no more tries are planned')
  await datapath.close()
})

void test('closed while it is opened again, it leaves nothing open', async (t) => {
  const opened = new FakeDatapath()
  const refused = new FakeDatapath()
  const answers: ((datapath: Datapath) => void)[] = []
  const signals: AbortSignal[] = []
  const datapath = new RetryingDatapath({
    refused,
    open: (signal) => {
      signals.push(signal)
      return new Promise((resolve) => answers.push(resolve))
    },
    log: createLog('error', { write: () => undefined }),
    firstPauseMs: 1,
  })
  await until('it tries', () => signals.length > 0, { pauseMs: 1 })
  await datapath.close()
  t.ok(signals[0]?.aborted, 'the self-test is to end')
  answers[0]?.(opened)
  await until('what came too late is closed', () => opened.closed === 1, { pauseMs: 1 })
  t.equal(refused.closed, 1)
})
