import type { Accelerator } from './accelerator.ts'

/** Combines the accelerators of two nodes: adds up their bytes and runs both checks. */
export function twoNodes(here: Accelerator, there: Accelerator): Accelerator {
  const bytes = async (): ReturnType<NonNullable<Accelerator['bytes']>> => {
    const both = [await here.bytes?.(), await there.bytes?.()]
    return {
      redirected: both.reduce((sum, each) => sum + (each?.redirected ?? 0), 0),
      tcp: both.reduce((sum, each) => sum + (each?.tcp ?? 0), 0),
    }
  }
  return {
    ...(here.programs ? { programs: here.programs } : {}),
    settled: async (atMostMs) => {
      await Promise.all([here.settled?.(atMostMs), there.settled?.(atMostMs)])
      return bytes()
    },
    bytes,
    check: async () => {
      await here.check?.()
      await there.check?.()
    },
  }
}
