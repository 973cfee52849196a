import { u64 } from 'libbpf'
import { counters, type CountersRecord } from './generated.ts'

/** Every member of a struct is a number of 64 bits, or an array of them. */
type Totals<T> = { readonly [Name in keyof T]: bigint | readonly bigint[] }

/** The totals of all CPUs, whatever is counted. */
export function sumCounters(
  perCpu: readonly (CountersRecord & Totals<CountersRecord>)[],
): CountersRecord {
  const total = new BigUint64Array(counters.size / u64.size)
  const one = new BigUint64Array(total.length)
  for (const record of perCpu) {
    counters.encode(record, new DataView(one.buffer), 0)
    for (const [index, value] of one.entries()) total[index] = (total[index] ?? 0n) + value
  }
  return counters.decode(new DataView(total.buffer), 0)
}
