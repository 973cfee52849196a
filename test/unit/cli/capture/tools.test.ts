import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { checkFilter, chooseTool, type CaptureWish } from '../../../../src/cli/capture/tools.ts'

const wish: CaptureWish = { format: 'pcapng', filter: undefined, snaplen: undefined, live: false }

/** A directory with programs of these names. */
function bin(t: Test, ...programs: readonly string[]): string {
  const directory = mkdtempSync(join(tmpdir(), 'capture-tools-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  for (const name of programs) {
    const script = `#!/bin/sh\necho "${name}: can't parse filter expression: syntax error" >&2\nexit 1\n`
    writeFileSync(join(directory, name), script, { mode: 0o755 })
  }
  return directory
}

const nowhere = { also: [] }

void test('tcpdump is preferred, and dumpcap is taken for files', async (t) => {
  const both = bin(t, 'tcpdump', 'dumpcap')
  t.match(chooseTool(wish, both, nowhere), { name: 'tcpdump', format: 'pcap' })
  t.match(chooseTool({ ...wish, format: 'text' }, both, nowhere), { format: 'text' })
  const one = bin(t, 'dumpcap')
  t.match(chooseTool(wish, one, nowhere), { name: 'dumpcap', format: 'pcapng' })
  t.match(chooseTool({ ...wish, format: 'pcap' }, one, nowhere), { format: 'pcap' })
  t.throws(() => chooseTool({ ...wish, format: 'text' }, one, nowhere), {
    code: 'NO_CAPTURE_TOOL',
    message: /dumpcap cannot print/,
  })
  t.throws(() => chooseTool(wish, bin(t), nowhere), {
    code: 'NO_CAPTURE_TOOL',
    hint: /apt-get install tcpdump/,
  })
  t.match(chooseTool(wish, bin(t), { also: [one] }), { name: 'dumpcap' })
})

void test('a filter is never an option', async (t) => {
  const filter = '-z reboot'
  const path = bin(t, 'tcpdump')
  const { command } = chooseTool({ ...wish, filter, snaplen: 96 }, path, nowhere)
  t.strictSame(command.slice(-2), ['--', filter])
  t.match(command.join(' '), / -s 96 /)
  const dumpcap = chooseTool({ ...wish, filter }, bin(t, 'dumpcap'), nowhere)
  t.match(dumpcap.command.join(' '), / -f -z reboot /)
})

void test('a filter that tcpdump does not understand is a usage error', async (t) => {
  const tool = chooseTool(wish, bin(t, 'tcpdump'), nowhere)
  t.throws(() => checkFilter(tool, 'tcp prot 80'), {
    name: 'UsageError',
    message: "--filter: can't parse filter expression: syntax error",
  })
  t.doesNotThrow(() => checkFilter(tool, undefined))
})
