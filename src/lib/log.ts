import { pino, type Logger } from 'pino'

/** What a part of the agent may say; pino's shape, so that `log.info({ pod }, 'enrolled')` works. */
export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** One JSON object per line, into `destination`, the standard error output unless given. */
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
