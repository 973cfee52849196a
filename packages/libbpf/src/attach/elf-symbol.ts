/** Where a function lies in an ELF file: all of ELF that a uprobe needs (elf(5)). */
import { readFileSync } from 'node:fs'
import { LibbpfError } from '../base-error.ts'
import { LITTLE } from '../constants.ts'
import { checkNode } from '../error.ts'

const ELF64 = 2
const SHT_SYMTAB = 2
const SHT_DYNSYM = 11
const STT_FUNC = 2
const STT_GNU_IFUNC = 10
const SYMBOL_BYTES = 24

interface Section {
  readonly type: number
  readonly address: bigint
  readonly offset: number
  readonly size: number
  /** The index of the section with the names of this one's symbols. */
  readonly link: number
}

/** The offset of a function in a file; symbols of .symtab and .dynsym count. Throws `NO_SUCH_SYMBOL`, `BAD_ELF`. */
export function functionOffset(path: string, symbol: string): bigint {
  const operation = `find ${symbol} in ${path}`
  const file = checkNode(operation, () => readFileSync(path))
  const view = new DataView(file.buffer, file.byteOffset, file.length)
  if (file.toString('latin1', 0, 4) !== '\x7fELF' || file[4] !== ELF64) {
    throw new LibbpfError('not a 64-bit ELF file', { code: 'BAD_ELF', operation })
  }
  const sections = readSections(view)
  for (const table of sections) {
    if (table.type !== SHT_SYMTAB && table.type !== SHT_DYNSYM) continue
    const names = sections[table.link]?.offset ?? 0
    for (let at = table.offset; at < table.offset + table.size; at += SYMBOL_BYTES) {
      const type = view.getUint8(at + 4) & 0xf
      const index = view.getUint16(at + 6, LITTLE)
      // Index 0: another file defines it.
      if ((type !== STT_FUNC && type !== STT_GNU_IFUNC) || index === 0) continue
      const name = names + view.getUint32(at, LITTLE)
      const end = name + symbol.length
      if (file[end] !== 0 || file.toString('latin1', name, end) !== symbol) continue
      const code = sections[index]
      if (code === undefined) continue
      return view.getBigUint64(at + 8, LITTLE) - code.address + BigInt(code.offset)
    }
  }
  throw new LibbpfError('the file has no function of this name', {
    code: 'NO_SUCH_SYMBOL',
    operation,
    hint: 'Look with `nm` or `nm -D`; a stripped or static function has none: give its offset in the file.',
  })
}

function readSections(view: DataView): Section[] {
  const start = Number(view.getBigUint64(40, LITTLE))
  const bytes = view.getUint16(58, LITTLE)
  return Array.from({ length: view.getUint16(60, LITTLE) }, (_, index) => {
    const at = start + index * bytes
    return {
      type: view.getUint32(at + 4, LITTLE),
      address: view.getBigUint64(at + 16, LITTLE),
      offset: Number(view.getBigUint64(at + 24, LITTLE)),
      size: Number(view.getBigUint64(at + 32, LITTLE)),
      link: view.getUint32(at + 40, LITTLE),
    }
  })
}
