/**
 * The probes: real sockets over loopback, watched by the real data path inside a scratch cgroup. Each ends by a
 * timeout. They still run in a process of their own (self-test.ts).
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../../lib/errno.ts'
import { Disposables } from '../../lib/disposables.ts'
import { isExplained } from '../../lib/errors.ts'
import { BpfError, currentNetnsCookie, IterLink, loadedPrograms, MPTCP, TcpSocket } from 'libbpf'
import { podRecord } from '../maps/pod-record.ts'
import { attachIoctlCall } from '../pins/attachments.ts'
import { install, type InstallPlace, Programs } from '../pins/programs.ts'
import { HIDES_TCP, initialConfig, setConfig } from '../loop/scans.ts'
import type { Probe, ProbeName } from './policy.ts'
import {
  close,
  expect,
  type Pair,
  redirects,
  ROUNDS,
  scan,
  takeTurn,
  TIMED_OUT,
  withJoined,
} from './probe-connections.ts'
import { probeWords } from './words.ts'

/** The maximum number of tries on a busy machine. */
const ASKED_AT_MOST = 3
const CAP_BYTES = 1 << 20
const BPF_PROG_TYPE_SOCK_OPS = 13
const BPF_PROG_TYPE_SK_MSG = 16

interface Answer {
  readonly ok: boolean
  /** The result, in addition to the words for the answer. */
  readonly found?: string
}

/**
 * Runs one probe after another and reports each answer. If the data path does not load, the probes that need it are
 * left out.
 */
export function runProbes(place: InstallPlace, tell: (probe: Probe) => void): void {
  const ask = (name: ProbeName, question: () => Answer): boolean => {
    const answer = attempt(name, question)
    tell({ name, ...answer })
    return answer.ok
  }
  let cookie = 0n
  ask('netns-cookie', () => {
    cookie = currentNetnsCookie()
    return { ok: true }
  })
  let pins = ''
  const loads = ask('programs-load', () => {
    const settings = { ...initialConfig(0n, CAP_BYTES), fionreadHides: HIDES_TCP }
    pins = install(place, (config) => config.update(0, settings))
    return { ok: true }
  })
  ask('foreign-programs', foreignPrograms)
  if (!loads) return

  using programs = new Programs(pins)
  programs.pods.update(cookie, podRecord({ proxyUid: 0 }))
  let countsRedirected = false
  const questions: readonly (readonly [ProbeName, (programs: Programs) => Answer])[] = [
    ['late-join', lateJoin],
    ['receive-accounting', receiveAccounting],
    ['fionread-redirected', fionreadRedirected],
    ['splice', splice],
    ['splice-watch', spliceWatch],
    ['ordering', ordering],
    ['fionread-tcp', fionreadTcp],
    ['fionread-watch', () => fionreadWatch(programs, countsRedirected)],
    ['wake', wake],
    ['half-close', halfClose],
    ['reset', reset],
    ['mptcp', mptcp],
  ]
  for (const [name, question] of questions) {
    const ok = ask(name, () => {
      // This process is the reader in all probes, so one probe's quarantine would affect the next.
      forgive(programs)
      return question(programs)
    })
    if (name === 'fionread-redirected') countsRedirected = ok
  }
}

/** An exception is also an answer. A probe that timed out is repeated. */
export function attempt(name: ProbeName, question: () => Answer): Omit<Probe, 'name'> {
  const words = probeWords[name]
  for (let asked = 1; ; asked += 1) {
    try {
      const { ok, found } = question()
      const detail = `${ok ? words.ok : words.failed}${found === undefined ? '' : `: ${found}`}`
      return { ok, detail, ...(ok || words.hint === undefined ? {} : { hint: words.hint }) }
    } catch (error) {
      const { code, hint } = isExplained(error) ? error : {}
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

/** The answer for a transfer of 1000 bytes. */
const told = (bytes: number): Answer =>
  bytes === 1000 ? { ok: true } : { ok: false, found: `${bytes} of 1000` }

const lateJoin = (programs: Programs): Answer =>
  withJoined(programs, (pair) => {
    takeTurn(pair)
    return { ok: true }
  })

const receiveAccounting = (programs: Programs): Answer =>
  withJoined(programs, ({ client, server }) => {
    client.send(new Uint8Array(4096))
    return { ok: server.receiveMemory() >= 4096 }
  })

const fionreadRedirected = (programs: Programs): Answer =>
  withJoined(programs, ({ client, server }) => {
    client.send(new Uint8Array(1000))
    const seen = server.readable()
    return told(seen)
  })

const fionreadTcp = (programs: Programs): Answer =>
  withJoined(programs, ({ client, server }) => {
    setConfig(programs, { redirect: 0 })
    try {
      client.send(new Uint8Array(1000))
      const seen = server.readable()
      return told(seen)
    } finally {
      setConfig(programs, { redirect: 1 })
    }
  })

/**
 * A program that asks FIONREAD, before its connection joins and as a member. Without kprobes the watch is a tracepoint.
 * Its only gain over the policy `strict` is that more than sidecars may read redirected bytes.
 */
function fionreadWatch(programs: Programs, countsRedirected: boolean): Answer {
  const hasKprobe = existsSync(join(programs.directory, 'fionread'))
  if (!hasKprobe && countsRedirected) {
    return { ok: false, found: 'there are no kprobes, and the policy strict costs less' }
  }
  using stack = new Disposables()
  if (!hasKprobe) stack.use(attachIoctlCall(programs.ioctlProgram))
  const pair = TcpSocket.pair()
  try {
    pair.server.readable()
  } finally {
    close(pair)
  }
  if (!forgive(programs)) return { ok: false, found: 'a socket that is no member' }
  return withJoined(programs, ({ client, server }) => {
    server.readable()
    if (!forgive(programs)) return { ok: false, found: 'a member' }
    scan(programs)
    takeTurn({ client, server })
    return { ok: !redirects(programs) }
  })
}

/** Empties the quarantine. Returns whether a program was in it. */
function forgive(programs: Programs): boolean {
  const keys = [...programs.quarantine.keys()]
  for (const key of keys) programs.quarantine.delete(key)
  return keys.length > 0
}

/** Informational: the proof keeps such readers out on every kernel. */
const splice = (programs: Programs): Answer =>
  withJoined(programs, ({ client, server }) => {
    client.send(new Uint8Array(1000))
    const moved = server.splice(1000)
    return told(moved)
  })

/** A reader that turns to splice after it was proven. */
const spliceWatch = (programs: Programs): Answer =>
  withJoined(programs, ({ client, server }) => {
    server.splice(1000)
    client.send(new Uint8Array(1000))
    server.awaitReadable()
    const moved = server.splice(1000)
    return { ok: moved > 0 }
  })

/** Sends of all sizes; the path changes at each drained point. */
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
      return { ok: true }
    } finally {
      setConfig(programs, { redirect: 1 })
    }
  })

/** A connection leaves with unread TCP bytes, of which an edge-triggered reader already knows. */
const wake = (programs: Programs): Answer =>
  withJoined(programs, ({ client, server }) => {
    using edges = server.edges()
    setConfig(programs, { redirect: 0 })
    try {
      client.send(new Uint8Array(1000))
      server.awaitReadable()
      for (let round = 0; round < ROUNDS && programs.countMembers() > 0; round += 1) {
        programs.survey.run()
        scan(programs)
      }
      edges.next()
      using kick = IterLink.fromPin(programs.kick)
      kick.run()
      return { ok: edges.next() }
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
    return { ok: got.length === 3 && server.receive(8).length === 0 }
  })

const reset = (programs: Programs): Answer =>
  withJoined(programs, ({ client, server }) => {
    client.reset()
    try {
      server.receive(8)
    } catch (error) {
      if (error instanceof BpfError && error.code === 'ECONNRESET') {
        return { ok: true }
      }
      throw error
    }
    return { ok: false }
  })

/** A plain client of an MPTCP listener: the other end is an MPTCP subflow, or was one. */
const mptcp = (programs: Programs): Answer => {
  let pair: Pair
  try {
    pair = TcpSocket.pair(MPTCP)
  } catch (error) {
    if (error instanceof BpfError && ['EPROTONOSUPPORT', 'ENOPROTOOPT'].includes(error.code)) {
      return { ok: true }
    }
    throw error
  }
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      takeTurn(pair)
      scan(programs)
    }
    return { ok: true }
  } finally {
    close(pair)
  }
}

/** Informational: other programs on the same sockets. */
function foreignPrograms(): Answer {
  const types = [BPF_PROG_TYPE_SOCK_OPS, BPF_PROG_TYPE_SK_MSG]
  const foreign = loadedPrograms().filter(
    ({ type, name }) => types.includes(type) && !name.startsWith('meshaccel_'),
  )
  if (foreign.length === 0) return { ok: true }
  const names = foreign.map(({ id, name }) => `${name || 'unnamed'} (${id})`)
  return { ok: false, found: names.join(', ') }
}
