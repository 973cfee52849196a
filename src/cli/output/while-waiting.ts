import type { CliEnvironment } from '../environment.ts'

/** The text for a drain. */
export const LEAVING = 'for connections to leave at a drained point: their readers have to read'

const FIRST_MS = 3_000
const AGAIN_MS = 10_000

/** Waits for a promise. Meanwhile it reports on the standard error output what it waits for. */
export async function whileWaiting<T>(
  environment: Pick<CliEnvironment, 'stderr'>,
  what: string,
  promise: Promise<T>,
  { firstMs = FIRST_MS, againMs = AGAIN_MS }: { firstMs?: number; againMs?: number } = {},
): Promise<T> {
  const begin = performance.now()
  const say = (): void => {
    const seconds = Math.round((performance.now() - begin) / 1000)
    environment.stderr.write(`waiting ${what}, ${seconds} s so far\n`)
    timer = setTimeout(say, againMs)
  }
  let timer = setTimeout(say, firstMs)
  try {
    return await promise
  } finally {
    clearTimeout(timer)
  }
}
