import { array, assert, integer, property, string } from 'fast-check'
import { stripVTControlCharacters } from 'node:util'
import { test } from 'tap'
import type { CliEnvironment } from '../../../../src/cli/environment.ts'
import { fold, plain } from '../../../../src/cli/output/plain-text.ts'
import { renderTable, type Column } from '../../../../src/cli/output/table.ts'

function environment(columns?: number): CliEnvironment {
  const terminal = columns === undefined ? {} : { isTTY: true, columns }
  return {
    argv: [],
    stdin: { setRawMode: () => {}, on: () => {}, off: () => {}, pause: () => {} },
    stdout: { write: () => {}, ...terminal },
    stderr: { write: () => {} },
    env: {},
    uid: 0,
    endSignal: () => new AbortController().signal,
    exitCode: 0,
  }
}

const columns: Column[] = [
  { title: 'POD', flexible: true },
  { title: 'COUNT', right: true },
  { title: 'MESH', spare: 1 },
  { title: 'WHY', flexible: true, spare: 2 },
]

void test('no line is wider than the terminal, whatever is in it', async (t) => {
  assert(
    property(
      array(array(string({ unit: 'binary' }), { minLength: 4, maxLength: 4 })),
      integer({ min: 1, max: 120 }),
      (rows, width) => {
        const text = stripVTControlCharacters(renderTable(columns, rows, environment(width)))
        const lines = text.split('\n')
        return lines.length === rows.length + 2 && lines.every((line) => line.length <= width)
      },
    ),
  )
  t.pass()
})

void test('what is less important goes first, then texts are cut', async (t) => {
  const rows = [['shop/a-rather-long-name', '12', 'istio', 'because of something']]
  const at = (width?: number): string[] =>
    stripVTControlCharacters(renderTable(columns, rows, environment(width))).split('\n')
  t.strictSame(at(), [
    'POD                      COUNT  MESH   WHY',
    'shop/a-rather-long-name     12  istio  because of something',
    '',
  ])
  t.strictSame(at(60), [
    'POD                      COUNT  MESH   WHY',
    'shop/a-rather-long-name     12  istio  because of something',
    '',
  ])
  t.strictSame(at(50), [
    'POD                COUNT  MESH   WHY',
    'shop/a-rather-lo…     12  istio  because of somet…',
    '',
  ])
  t.strictSame(at(40), [
    'POD                      COUNT  MESH',
    'shop/a-rather-long-name     12  istio',
    '',
  ])
  t.strictSame(at(24), ['POD                COUNT', 'shop/a-rather-lo…     12', ''])
  t.strictSame(at(15), ['POD       COUNT', 'shop/a-…     12', ''])
  t.strictSame(at(5), ['POD …', 'shop…', ''])
})

void test('names cannot write to the terminal', async (t) => {
  const evil = 'a\u001B]0;title\u0007\u001B[2J\nb\u202Ec'
  // oxlint-disable-next-line no-control-regex
  t.notMatch(plain(evil), /[\u0000-\u001F\u202E]/)
  t.equal(renderTable(columns, [[evil, '', '', '']], environment()).split('\n').length, 3)
})

void test('sentences are broken between words', async (t) => {
  t.strictSame(fold('one two three', 8, '  '), ['one two', '  three'])
  t.strictSame(fold('  Next: do it', 9, '    '), ['  Next:', '    do it'])
  t.strictSame(fold('unbreakable', 3, ''), ['unbreakable'])
  t.strictSame(fold('as it is', Infinity, '    '), ['as it is'])
})
