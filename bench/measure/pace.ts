/** How long the parts of one run take. */
export interface Pace {
  readonly warmUpMs: number
  /** The part at the beginning of the measured run that does not count. */
  readonly leadMs: number
  readonly durationMs: number
  /** The duration of the extra run that measures the programs' own time; 0: none. */
  readonly programTimeMs: number
}

/** Long enough that connections are open and joined before the measured part. */
export function fullPace(durationMs: number): Pace {
  return { warmUpMs: 400, leadMs: 1_000, durationMs, programTimeMs: 1_500 }
}

/** The shortest times that show the difference. */
export function quickPace(durationMs: number): Pace {
  return { warmUpMs: 150, leadMs: 700, durationMs, programTimeMs: 0 }
}
