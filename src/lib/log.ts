import { pino, type Logger } from 'pino'

/** The log interface of the agent's parts. It has pino's shape: `log.info({ pod }, 'enrolled')`. */
export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** Creates a log with one JSON object per line. It writes to `destination`, by default to the standard error output. */
export function createLog(
  level: LogLevel = 'info',
  destination?: { write(line: string): void },
): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination ?? pino.destination({ dest: 2, sync: true }),
  )
}
