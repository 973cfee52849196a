#!/usr/bin/env node
import { bpf2ts, LibbpfError } from '../index.ts'

const usage = `bpf2ts OBJECT [--struct NAME...] [--enum NAME...] [--map NAME...] [--be FIELD...] [--bytes FIELD...] > FILE

Writes TypeScript from the types in a BPF object: a codec and a type for each struct, the names of enums, and maps.
Without names it writes all maps and global variables, and what they are made of.

  --struct NAME...   these structs, and those that they are made of
  --enum NAME...     these enums
  --map NAME...      these maps, and the structs of their keys and values
  --be FIELD...      these fields are in network byte order; __be16, __be32 and __be64 are so without it
  --bytes FIELD...   these fields are raw bytes
                     A FIELD is FIELD of any struct, or STRUCT.FIELD.
`

function main(args: readonly string[]): number {
  const objects: string[] = []
  const lists = new Map(
    ['--struct', '--enum', '--map', '--be', '--bytes'].map((name): [string, string[]] => [
      name,
      [],
    ]),
  )
  const unknown: string[] = []
  let list = objects
  for (const arg of args) {
    if (arg === '--help' || arg === '-h') {
      process.stdout.write(usage)
      return 0
    }
    const named = lists.get(arg)
    if (named !== undefined) list = named
    else (arg.startsWith('-') ? unknown : list).push(arg)
  }
  const [object] = objects
  if (object === undefined || objects.length > 1 || unknown.length > 0) {
    const what = unknown.length > 0 ? `unknown option ${unknown.join(' ')}` : 'name one object'
    process.stderr.write(`bpf2ts: ${what}\n\n${usage}`)
    return 2
  }
  const named = (option: string): readonly string[] => lists.get(option) ?? []
  try {
    process.stdout.write(
      bpf2ts(object, {
        structs: named('--struct'),
        enums: named('--enum'),
        maps: named('--map'),
        bigEndian: named('--be'),
        bytes: named('--bytes'),
        command: ['bpf2ts', ...args].join(' '),
      }),
    )
    return 0
  } catch (error) {
    if (!(error instanceof LibbpfError)) throw error
    process.stderr.write(`bpf2ts: ${error.message}\n`)
    if (error.hint !== undefined) process.stderr.write(`  ${error.hint}\n`)
    return 1
  }
}

process.exitCode = main(process.argv.slice(2))
