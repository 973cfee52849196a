import type { Flow, FlowDirection, FlowEnd } from '../datapath.ts'

/** More of them would hide what to do. */
const TOLD = 5

/**
 * Who keeps connections from leaving, in words: the pod, the process, how many bytes it has not read, and where; and the
 * pods whose readers cannot be woken.
 */
export function tellHolders(
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
    ...held(clientToServer, client, server),
    ...held(serverToClient, server, client),
  ])
  return [...firstOf(unread), ...firstOf(locked)].join('; ')

  function held(
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

/** The name of a process is what it likes: nothing of it moves the cursor of a terminal. */
const printable = (text: string): string => text.replaceAll(/\p{C}/gu, '?')
