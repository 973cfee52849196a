import { setTimeout as pause } from 'node:timers/promises'
import { test } from 'tap'
import { describeStep, Progress, spokenTime } from '../../../src/lib/progress.ts'

/** A stream that remembers what it got, and a clock that stands still until it is set. */
class Stage {
  readonly isTTY: boolean
  columns: number
  nowMs = 0
  written: string[] = []

  constructor(isTTY: boolean, columns = 80) {
    this.isTTY = isTTY
    this.columns = columns
  }

  readonly now = (): number => this.nowMs

  write(text: string): void {
    this.written.push(text)
  }

  /** The text that was written since the last call. */
  take(): string {
    const text = this.written.join('')
    this.written = []
    return text
  }

  /** The lines that a terminal shows now. */
  screen(): string[] {
    const shown = this.written.join('').split('\n')
    return shown.map((line) => line.split('\r\u001B[K').at(-1) ?? '')
  }
}

const never = { everyMs: 1e9 }

void test('a terminal shows one line, which each step replaces', async (t) => {
  const stage = new Stage(true)
  {
    using progress = new Progress(stage, { prefix: 'bench: ', now: stage.now, ...never })
    progress.show(() => ({ what: 'round 1' }))
    t.equal(stage.take(), '\r\u001B[Kbench: round 1, 0 s so far')
    stage.nowMs = 60_000
    progress.show(() => ({ what: 'round 2', share: 0.25, figures: '1.42x' }))
    t.equal(stage.take(), '\r\u001B[Kbench: round 2, 25 %, 3 min left: 1.42x')
    progress.done('round 2 is over')
    t.equal(stage.take(), '', 'the next step says so')
  }
  t.equal(stage.take(), '\r\u001B[K', 'nothing of it stays')
})

void test('a line that stays goes above it', async (t) => {
  const stage = new Stage(true)
  using progress = new Progress(stage, { now: stage.now, ...never })
  progress.say('mounted bpffs')
  progress.show(() => ({ what: 'round 1' }))
  progress.say('stolen time')
  t.same(stage.screen(), ['mounted bpffs', 'stolen time', 'round 1, 0 s so far'])
  progress.clear()
  t.same(stage.screen(), ['mounted bpffs', 'stolen time', ''])
  stage.take()
  progress.clear()
  t.equal(stage.take(), '', 'it is erased once')
})

void test('the line is shorter than the terminal is wide, so that it can be erased', async (t) => {
  const stage = new Stage(true, 10)
  using progress = new Progress(stage, { now: stage.now, ...never })
  progress.show(() => ({ what: 'a long step' }))
  t.equal(stage.screen()[0], 'a long st')
  stage.columns = 6
  progress.show(() => ({ what: 'a long step' }))
  t.equal(stage.screen()[0], 'a lon')
  stage.columns = 0
  progress.show(() => ({ what: 'a long step' }))
  t.equal(stage.screen()[0], 'a long step, 0 s so far')
})

void test('the time goes on between steps', async (t) => {
  const stage = new Stage(true)
  using progress = new Progress(stage, { now: stage.now, everyMs: 1 })
  progress.show(() => ({ what: 'drain', leftMs: 30_000, atMost: true }))
  t.equal(stage.screen()[0], 'drain, at most 30 s left')
  stage.nowMs = 12_000
  while (!stage.screen()[0]?.endsWith('18 s left')) await pause(1)
  stage.nowMs = 99_000
  while (!stage.screen()[0]?.endsWith('at most 0 s left')) await pause(1)
})

void test('elsewhere there is a plain line for each step that is done', async (t) => {
  const stage = new Stage(false)
  {
    using progress = new Progress(stage, { prefix: 'bench: ', now: stage.now, everyMs: 1 })
    progress.show(() => {
      throw new Error('a step is made only for a terminal')
    })
    progress.say('mounted bpffs')
    progress.done('round 1 is over')
    progress.clear()
  }
  t.equal(stage.take(), 'bench: mounted bpffs\nbench: round 1 is over\n')
})

void test('the rest is as long as the steps so far suggest', async (t) => {
  t.equal(describeStep({ what: 'w', share: 0.5 }, 30_000, 0), 'w, 50 %, 30 s left')
  t.equal(describeStep({ what: 'w', share: 0.5 }, 35_000, 5_000), 'w, 50 %, 25 s left')
  t.equal(describeStep({ what: 'w', share: 0 }, 2_000, 2_000), 'w, 0 %, 2 s so far')
  t.equal(describeStep({ what: 'w', share: 0, leftMs: 90_000 }, 0, 0), 'w, 0 %, 1 min 30 s left')
})

void test('times are short', async (t) => {
  t.same([0, 42_400, 60_000, 185_000, 7_200_000, 7_800_000].map(spokenTime), [
    '0 s',
    '42 s',
    '1 min',
    '3 min 5 s',
    '2 h',
    '2 h 10 min',
  ])
})
