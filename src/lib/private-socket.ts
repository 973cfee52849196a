import { messageOf } from './errno.ts'
import { MeshaccelError } from './errors.ts'

/**
 * Has `bind` make a Unix socket that only the owner of this process may connect to. Settles with it: the umask of the
 * process is 0177 until then, so two calls must not overlap. Throws BAD_SOCKET if `bind` rejects.
 */
export async function bindPrivately(
  socketPath: string,
  bind: () => Promise<unknown>,
): Promise<void> {
  // bind(2) creates the file with the mode that the umask leaves: there is no moment when others may connect.
  const umask = process.umask(0o177)
  try {
    await bind()
  } catch (error) {
    throw new MeshaccelError(messageOf(error), {
      code: 'BAD_SOCKET',
      operation: `listen on ${socketPath}`,
      cause: error,
    })
  } finally {
    process.umask(umask)
  }
}
