/**
 * The probes: real sockets over loopback, watched by the real data path inside a scratch cgroup. They end by a
 * time-out, never by hanging; run them in a process of their own all the same (self-test.ts).
 */
import { messageOf } from '../../errno.ts'
import { MeshaccelError } from '../../errors.ts'
import {
  BpfError,
  currentNetnsCookie,
  loadedPrograms,
  MPTCP,
  TcpSocket,
} from '../../libbpf/index.ts'
import { parseFlows } from '../flow-table.ts'
import { podRecord } from '../pod-record.ts'
import { install, Programs } from '../programs.ts'
import { initialConfig, setConfig } from '../scans.ts'
import type { Probe, ProbeName } from './policy.ts'

/** More turns and scans than a join needs (TURNS and PROOF_RECEIVES of meshaccel.h). */
const ROUNDS = 24
/** Of a join that is not complete by then nothing is left (JOINING_NS): turns that take so long prove nothing. */
const JOINING_MS = 1_000
/** On a busy machine. */
const ASKED_AT_MOST = 3
const TIMED_OUT = 'ETIMEDOUT'
const CAP_BYTES = 1 << 20
const BPF_PROG_TYPE_SOCK_OPS = 13
const BPF_PROG_TYPE_SK_MSG = 16

type Answer = Omit<Probe, 'name'>
type Pair = ReturnType<typeof TcpSocket.pair>

/** Asks one probe after the other, and tells each answer; those behind a data path that does not load are left out. */
export function runProbes(pinDir: string, cgroupPath: string, tell: (probe: Probe) => void): void {
  const ask = (name: ProbeName, question: () => Answer): boolean => {
    const answer = attempt(question)
    tell({ name, ...answer })
    return answer.ok
  }
  let cookie = 0n
  ask('netns-cookie', () => {
    cookie = currentNetnsCookie()
    return { ok: true, detail: 'network namespaces can be told apart' }
  })
  let pins = ''
  const loads = ask('programs-load', () => {
    pins = install(pinDir, cgroupPath, (config) => config.update(0, initialConfig(0n, CAP_BYTES)))
    return { ok: true, detail: 'the verifier takes every program' }
  })
  ask('foreign-programs', foreignPrograms)
  if (!loads) return

  using programs = new Programs(pins)
  programs.pods.update(cookie, podRecord({ proxyUid: 0 }))
  const questions: readonly (readonly [ProbeName, (programs: Programs) => Answer])[] = [
    ['late-join', lateJoin],
    ['receive-accounting', receiveAccounting],
    ['fionread-redirected', fionreadRedirected],
    ['splice', splice],
    ['splice-watch', spliceWatch],
    ['ordering', ordering],
    ['fionread-tcp', fionreadTcp],
    ['half-close', halfClose],
    ['reset', reset],
    ['mptcp', mptcp],
  ]
  for (const [name, question] of questions) {
    ask(name, () => {
      // This very program reads in all of them.
      for (const key of programs.quarantine.keys()) programs.quarantine.delete(key)
      return question(programs)
    })
  }
}

/** A probe that throws has found something out, too; one that waited in vain is asked again. */
export function attempt(question: () => Answer): Answer {
  for (let asked = 1; ; asked += 1) {
    try {
      return question()
    } catch (error) {
      const { code, hint } = error instanceof MeshaccelError ? error : {}
      const timedOut = code === TIMED_OUT
      if (timedOut && asked < ASKED_AT_MOST) continue
      return {
        ok: false,
        detail: messageOf(error),
        ...(hint !== undefined && { hint }),
        ...(timedOut && { timedOut }),
      }
    }
  }
}

/** Takes turns until both ends redirect. */
function joined(programs: Programs): Pair {
  const pair = TcpSocket.pair()
  const begin = performance.now()
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      takeTurn(pair)
      programs.scan.iterate()
      if (redirects(programs)) return pair
    }
    const tookMs = performance.now() - begin
    throw new MeshaccelError(`it did not within ${ROUNDS} turns`, {
      code: tookMs > JOINING_MS ? TIMED_OUT : 'NOT_JOINED',
      operation: 'join a connection',
    })
  } catch (error) {
    close(pair)
    throw error
  }
}

/** There is one open connection at a time. */
const redirects = (programs: Programs): boolean =>
  parseFlows(programs.flows.iterate()).some(
    ({ clientToServer, serverToClient }) =>
      clientToServer.path === 'redirect' && serverToClient.path === 'redirect',
  )

function takeTurn({ client, server }: Pair): void {
  expect(client, server, Uint8Array.of(1, 2, 3))
  expect(server, client, Uint8Array.of(4, 5))
}

function expect(from: TcpSocket, to: TcpSocket, data: Uint8Array): void {
  from.send(data)
  const got = to.receiveAll(data.length)
  if (Buffer.compare(got, data) !== 0) throw new Error('other bytes arrived than were sent')
}

function close({ client, server }: Pair): void {
  client[Symbol.dispose]()
  server[Symbol.dispose]()
}

/** Asks with a connection that is redirected, and closes it. */
function withJoined(programs: Programs, question: (pair: Pair) => Answer): Answer {
  const pair = joined(programs)
  try {
    return question(pair)
  } finally {
    close(pair)
  }
}

const lateJoin = (programs: Programs): Answer =>
  withJoined(programs, (pair) => {
    takeTurn(pair)
    return { ok: true, detail: 'a running connection joins, and its bytes arrive' }
  })

const receiveAccounting = (programs: Programs): Answer =>
  withJoined(programs, ({ client, server }) => {
    client.send(new Uint8Array(4096))
    const ok = server.receiveMemory() >= 4096
    return ok
      ? { ok, detail: 'redirected bytes are charged to the reader' }
      : { ok, detail: 'redirected bytes are charged to nobody: a slow reader has no bound' }
  })

const fionreadRedirected = (programs: Programs): Answer =>
  withJoined(programs, ({ client, server }) => {
    client.send(new Uint8Array(1000))
    const seen = server.readable()
    return seen === 1000
      ? { ok: true, detail: 'FIONREAD counts redirected bytes' }
      : {
          ok: false,
          detail: `FIONREAD tells ${seen} of 1000 redirected bytes`,
          hint: 'Only sidecars, which do not ask, get redirected bytes. Newer kernels are right: 6.12.117, 7.2.12.',
        }
  })

const fionreadTcp = (programs: Programs): Answer =>
  withJoined(programs, ({ client, server }) => {
    setConfig(programs, { redirect: 0 })
    try {
      client.send(new Uint8Array(1000))
      const seen = server.readable()
      return seen === 1000
        ? { ok: true, detail: "FIONREAD counts a member's TCP bytes" }
        : {
            ok: false,
            detail: `FIONREAD tells ${seen} of 1000 TCP bytes of a member`,
            hint: 'So members do not stay on TCP: they leave at once. Newer kernels are right: 6.12.117, 7.2.12.',
          }
    } finally {
      setConfig(programs, { redirect: 1 })
    }
  })

/** For information: the proof keeps such readers out on every kernel. */
const splice = (programs: Programs): Answer =>
  withJoined(programs, ({ client, server }) => {
    client.send(new Uint8Array(1000))
    const moved = server.splice(1000)
    return moved === 1000
      ? { ok: true, detail: 'splice finds redirected bytes' }
      : {
          ok: false,
          detail: `splice finds ${moved} of 1000 redirected bytes`,
          hint: 'Connections whose reader splices never join.',
        }
  })

/** A reader that turns to splice after it was proven. */
const spliceWatch = (programs: Programs): Answer =>
  withJoined(programs, ({ client, server }) => {
    server.splice(1000)
    client.send(new Uint8Array(1000))
    server.awaitReadable()
    const moved = server.splice(1000)
    return moved > 0
      ? { ok: true, detail: 'a reader that turns to splice is seen in time' }
      : {
          ok: false,
          detail: 'a reader that turns to splice is not seen',
          hint: 'It takes the tracepoint syscalls/sys_enter_splice (CONFIG_FTRACE_SYSCALLS). Only sidecars get redirected bytes.',
        }
  })

/** Bytes of every size, the path changing at each drained point. */
const ordering = (programs: Programs): Answer =>
  withJoined(programs, ({ client, server }) => {
    try {
      for (let round = 0; round < ROUNDS; round += 1) {
        setConfig(programs, { redirect: round & 1 })
        const data = new Uint8Array(1 << (round % 16)).fill(round)
        client.send(data)
        expect(server, client, data)
        const got = server.receiveAll(data.length)
        if (Buffer.compare(got, data) !== 0) throw new Error('bytes are lost or reordered')
      }
      return { ok: true, detail: 'bytes keep their order over changes of the path' }
    } finally {
      setConfig(programs, { redirect: 1 })
    }
  })

const halfClose = (programs: Programs): Answer =>
  withJoined(programs, ({ client, server }) => {
    client.send(Uint8Array.of(1, 2, 3))
    client.end()
    const got = server.receiveAll(8)
    expect(server, client, Uint8Array.of(4, 5))
    const ok = got.length === 3 && server.receive(8).length === 0
    return { ok, detail: ok ? 'redirected bytes come before the end' : 'the end comes too early' }
  })

const reset = (programs: Programs): Answer =>
  withJoined(programs, ({ client, server }) => {
    client.reset()
    try {
      server.receive(8)
    } catch (error) {
      if (error instanceof BpfError && error.code === 'ECONNRESET') {
        return { ok: true, detail: 'a reset is seen' }
      }
      throw error
    }
    return { ok: false, detail: 'a reset looks like an orderly end' }
  })

/** A plain client of an MPTCP listener: its other end is an MPTCP subflow, or was one. */
const mptcp = (programs: Programs): Answer => {
  let pair: Pair
  try {
    pair = TcpSocket.pair(MPTCP)
  } catch (error) {
    if (error instanceof BpfError && ['EPROTONOSUPPORT', 'ENOPROTOOPT'].includes(error.code)) {
      return { ok: true, detail: 'this kernel has no MPTCP' }
    }
    throw error
  }
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      takeTurn(pair)
      programs.scan.iterate()
    }
    return { ok: true, detail: 'bytes arrive through an MPTCP listener' }
  } finally {
    close(pair)
  }
}

/** For information: others that look at the same sockets. */
function foreignPrograms(): Answer {
  const types = [BPF_PROG_TYPE_SOCK_OPS, BPF_PROG_TYPE_SK_MSG]
  const foreign = loadedPrograms().filter(
    ({ type, name }) => types.includes(type) && !name.startsWith('meshaccel_'),
  )
  if (foreign.length === 0) return { ok: true, detail: 'no other sockops or sk_msg program' }
  const names = foreign.map(({ id, name }) => `${name || 'unnamed'} (${id})`)
  return {
    ok: false,
    detail: `others: ${names.join(', ')}`,
    hint: 'A socket in the sockmap of another program cannot join; `bpftool prog show` tells more.',
  }
}
