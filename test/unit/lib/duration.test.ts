import { test } from 'tap'
import { formatDuration, parseDuration } from '../../../src/lib/duration.ts'

void test('durations with a unit', (t) => {
  for (const [text, ms] of [
    ['500ms', 500],
    ['2s', 2_000],
    ['1.5s', 1_500],
    ['.5s', 500],
    ['1.1s', 1_100],
    ['2m', 120_000],
    ['1h', 3_600_000],
    [' 2s ', 2_000],
    ['0s', 0],
  ] as const) {
    t.equal(parseDuration(text), ms, text)
    t.equal(parseDuration(text, 'ms'), ms, text)
  }
  t.end()
})

void test('a plain number has the unit of its option', (t) => {
  t.equal(parseDuration('2'), 2_000)
  t.equal(parseDuration('0.25'), 250)
  t.equal(parseDuration('2', 'ms'), 2)
  t.end()
})

void test('other texts are no durations', (t) => {
  for (const text of [
    '',
    's',
    'soon',
    '-1',
    '2x',
    '2 s',
    '1e3',
    '0x10',
    'Infinity',
    'NaN',
    '1m30s',
  ]) {
    t.equal(parseDuration(text), undefined, text)
  }
  t.end()
})

void test('a duration is written with the unit that makes it short', (t) => {
  for (const [ms, text] of [
    [0, '0s'],
    [100, '100ms'],
    [1_500, '1.5s'],
    [2_000, '2s'],
    [86_400_000, '1440m'],
  ] as const) {
    t.equal(formatDuration(ms), text)
    t.equal(parseDuration(text), ms)
  }
  t.end()
})
