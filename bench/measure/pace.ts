/** How long the parts of one run take. */
export interface Pace {
  readonly warmUpMs: number
  /** Of the measured run's beginning, what does not count. */
  readonly leadMs: number
  readonly durationMs: number
  /** Of the extra run that measures the programs' own time; 0 for none. */
  readonly programTimeMs: number
}

/** Enough for connections to be made and joined before what counts. */
export function fullPace(durationMs: number): Pace {
  return { warmUpMs: 400, leadMs: 1_000, durationMs, programTimeMs: 1_500 }
}

/** As little as shows the difference. */
export function quickPace(durationMs: number): Pace {
  return { warmUpMs: 150, leadMs: 700, durationMs, programTimeMs: 0 }
}
