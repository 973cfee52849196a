import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { parseProcessStat, processIds, readProcessStat } from '../../../src/lib/proc.ts'

/** The 52 fields of proc(5); each number says which field it is. */
const statOf = (name: string, state: string): string => {
  const rest = Array.from({ length: 49 }, (_, index) => index + 4)
  return `1234 (${name}) ${state} ${rest.join(' ')}\n`
}

void test('finds the fields whatever the name of the program holds', async (t) => {
  for (const name of ['node', 'a b', ') Z 1 2', '(((', 'x)\n) R']) {
    t.strictSame(parseProcessStat(statOf(name, 'D')), {
      state: 'D',
      startedAtTicks: 22n,
      cpuTicks: 14 + 15,
    })
  }
})

void test('a text that is no stat is none', async (t) => {
  for (const text of [
    '',
    '\n',
    '1 (node) S 1 2 3\n',
    statOf('node', 'S').replace(' 22 ', ' -1 '),
  ]) {
    t.equal(parseProcessStat(text), undefined)
  }
})

void test('reads a process that is there', async (t) => {
  const own = readProcessStat(process.pid)
  t.match(own?.state, /^[RSD]$/)
  t.ok(own && own.startedAtTicks > 0n)
  t.ok(processIds().includes(process.pid))
})

void test('a process that has ended has no stat', async (t) => {
  const proc = t.testdir({ '1': { stat: statOf('init', 'S') } })
  t.equal(readProcessStat(1, proc)?.state, 'S')
  t.equal(readProcessStat(2, proc), undefined)
})

void test('only the numbers in /proc are processes', async (t) => {
  const proc = t.testdir()
  for (const name of ['1', '23', 'self', 'net', '4a']) mkdirSync(join(proc, name))
  writeFileSync(join(proc, 'uptime'), '')
  t.strictSame(processIds(proc), [1, 23])
})
