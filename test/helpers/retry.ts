/** How many times longer than usual tests wait before they give up: for machines that are slow, such as emulated ones. */
export const patience: number = Number(process.env['MESHACCEL_PATIENCE'] ?? 1)

/**
 * Looks again and again until there is something to see: `attempts` times, `pauseMs` apart, and with more patience for as
 * many times longer as that takes.
 */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  { attempts = 300, pauseMs = 100 }: { attempts?: number; pauseMs?: number } = {},
): Promise<T> {
  const end = performance.now() + attempts * pauseMs * patience
  for (let looks = 0; looks < attempts || performance.now() < end; looks++) {
    const seen = await look()
    if (seen !== undefined && seen !== false) return seen
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
  throw new Error(`it did not come about within ${attempts} looks: ${what}`)
}
