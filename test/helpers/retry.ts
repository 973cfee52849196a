/** The factor by which tests wait longer before they give up. It is for slow machines, such as emulated ones. */
export const patience: number = Number(process.env['MESHACCEL_PATIENCE'] ?? 1)

/** Polls until there is a result: `attempts` times, `pauseMs` apart, and longer by the factor `patience`. */
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
