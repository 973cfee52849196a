import { readFileSync } from 'node:fs'
import { checkNode } from './error.ts'

/** The processors that are online, by number. */
export function onlineCpus(): number[] {
  // 0-3,8
  const list = checkNode('list the processors', () =>
    readFileSync('/sys/devices/system/cpu/online', 'utf8'),
  )
  return list
    .trim()
    .split(',')
    .flatMap((range) => {
      const [first = 0, last = first] = range.split('-').map(Number)
      return Array.from({ length: last - first + 1 }, (_, index) => first + index)
    })
}
