import type { Flow, FlowDirection, FlowEnd } from '../datapath.ts'

/** A longer list would hide what to do. */
const TOLD = 5

/**
 * A text that names the readers that keep connections from leaving. It gives the pod, the process, the unread bytes and
 * the connection. It also names pods whose readers the agent cannot wake, because a process holds a socket's lock.
 */
export function describeStalledReaders(
  flows: readonly Flow[],
  podOf: (netnsCookie: bigint) => string | undefined = () => undefined,
  unkicked: readonly bigint[] = [],
): string {
  const nameOf = (netnsCookie: bigint): string =>
    podOf(netnsCookie) ?? `a pod with netns cookie ${netnsCookie}`
  const locked = unkicked.map(
    (cookie) => `a process of ${nameOf(cookie)} holds the lock of a TCP socket`,
  )
  const unread = flows.flatMap(({ client, server, clientToServer, serverToClient }) => [
    ...stalled(clientToServer, client, server),
    ...stalled(serverToClient, server, client),
  ])
  return [...firstOf(unread), ...firstOf(locked)].join('; ')

  function stalled(
    { unreadBytes }: FlowDirection,
    sender: FlowEnd | undefined,
    reader: FlowEnd | undefined,
  ): string[] {
    if (unreadBytes === 0 || !reader) return []
    const pod = nameOf(reader.netnsCookie)
    const process = reader.readerPid
      ? `${printable(reader.readerComm)} (pid ${reader.readerPid})`
      : 'a process that has read nothing yet'
    const from = sender?.address ?? reader.remoteAddress ?? 'a socket that is gone'
    const connection = `the TCP connection from ${from} to ${reader.address}`
    return [`${process} of ${pod} has not read ${unreadBytes} bytes of ${connection}`]
  }
}

function firstOf(told: readonly string[]): string[] {
  const more = told.length - TOLD
  return [...told.slice(0, TOLD), ...(more > 0 ? [`${more} more`] : [])]
}

/** A process chooses its own name. Control characters in it must not move the terminal's cursor. */
const printable = (text: string): string => text.replaceAll(/\p{C}/gu, '?')
