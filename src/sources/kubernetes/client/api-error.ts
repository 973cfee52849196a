import { errnoOf, messageOf } from '../../../lib/errno.ts'
import { MeshaccelError } from '../../../lib/errors.ts'

/** The resource version to continue from has expired: list again. */
export const expired = 'API_EXPIRED'

/** The answer is not understood. */
export const nonsense = 'API_NONSENSE'

/** The error for an HTTP status of the API server. `said` is the message of its Status object. */
export function errorOfStatus(operation: string, status: number, said: string): MeshaccelError {
  const fail = (code: string, reason: string, hint?: string): MeshaccelError =>
    new MeshaccelError(reason, { code, operation, hint, retryable: true })
  switch (status) {
    case 401:
      return fail(
        'API_UNAUTHORIZED',
        'the API server does not know who asks (401)',
        'The token or certificate of the kubeconfig or ServiceAccount is wrong or has expired.',
      )
    case 403:
      return fail(
        'API_FORBIDDEN',
        `the API server forbids it (403): ${said}`,
        "The agent's ServiceAccount needs get, list and watch on pods and namespaces, and create on events: " +
          '`meshaccel manifests` prints the ClusterRole.',
      )
    case 404:
    case 406:
      return fail(
        'API_TOO_OLD',
        `the API server cannot answer this (${status}): ${said}`,
        'Kubernetes 1.20 or newer is needed; if it is, the server of the kubeconfig is something else.',
      )
    case 409:
      return fail('API_CONFLICT', `it is there already (409): ${said}`)
    case 410:
      return fail(expired, `too old a version (410): ${said}`)
    default:
      return fail('API_FAILED', `the API server answers ${status}: ${said}`)
  }
}

/** The error for an answer that no API server gives: another server's page, or an object of another shape. */
export function errorOfNonsense(operation: string, cause: unknown): MeshaccelError {
  return new MeshaccelError(`the answer makes no sense: ${messageOf(cause)}`, {
    code: nonsense,
    operation,
    hint: 'The server of the kubeconfig is no API server, or something answers in its place.',
    retryable: true,
    cause,
  })
}

/** The error for a failed connection. */
export function errorOfConnection(
  operation: string,
  server: string,
  cause: unknown,
): MeshaccelError {
  const errno = errnoOf(cause)
  const isTls = errno !== undefined && /CERT|SSL|TLS|SELF_SIGNED|UNABLE_TO/.test(errno)
  return new MeshaccelError(
    `${isTls ? 'its certificate is not trusted' : 'no connection'}: ${messageOf(cause)}`,
    {
      code: isTls ? 'API_UNTRUSTED' : 'API_UNREACHABLE',
      operation: `${operation} at ${server}`,
      hint: isTls
        ? 'The certificate authority of the kubeconfig is not the one that has signed for this server.'
        : 'The API server is down, or the address in the kubeconfig is wrong; the agent keeps trying.',
      retryable: true,
      cause,
    },
  )
}
