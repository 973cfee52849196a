import type { ControlClient } from '../../api/client.ts'
import type { WaitOptions } from './while-waiting.ts'

/** The text for a drain. */
export const LEAVING = 'for connections to leave at a drained point: their readers have to read'

/** How a drain goes. Without an agent nobody counts the connections. */
export function leaving(
  client: ControlClient | undefined,
  { timeoutMs }: { readonly timeoutMs: number },
): WaitOptions {
  if (!client) return { timeoutMs }
  return {
    timeoutMs,
    state: async () => {
      const { connections } = await client.call('Status', {})
      return `${connections.joined} have not left`
    },
  }
}
