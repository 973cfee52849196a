/** The real data path: maps, programs and the scans that move connections between them. */

import { existsSync } from 'node:fs'
import type { RequestedPolicy } from '../config.ts'
import { RingBuffer } from '../libbpf/index.ts'
import type { Log } from '../log.ts'
import type {
  ConnectionGauge,
  Counters,
  Datapath,
  Flow,
  PodNetns,
  Policy,
  Quarantined,
} from './datapath.ts'
import { sumCounters } from './counters.ts'
import { parseFlows } from './flow-table.ts'
import { event, eventKinds, type ProgramRecord, reasonName, reasons } from './layout.ts'
import { OlderConnections } from './older-connections.ts'
import type { Programs } from './programs.ts'
import { drainAll, readConfig, runInNetns, scan, setConfig, tcpMemoryPages } from './scans.ts'

/** Before the next scan when one has failed. */
const FAILED_SCAN_INTERVAL_MS = 200
/** Between two rounds of keepalive settings for new members. */
const KEEPALIVE_INTERVAL_MS = 30_000

export interface KernelDatapathOptions {
  readonly cgroupPath: string
  readonly pinDir: string
  readonly capBytes: number
  readonly policy: RequestedPolicy
  readonly log: Log
}

/** Moves connections for as long as it is open; `lock` is its right to. */
export class KernelDatapath implements Datapath {
  readonly policy: Policy
  readonly #programs: Programs
  readonly #lock: Disposable
  readonly #log: Log
  /** How to enter the pods' namespaces, by cookie. */
  readonly #netnsPaths = new Map<bigint, string>()
  #scanTimer: NodeJS.Timeout | undefined
  #surveyTimer: NodeJS.Timeout | undefined
  readonly #older: OlderConnections
  readonly #keepaliveTimer: NodeJS.Timeout
  readonly #events: RingBuffer

  constructor(
    programs: Programs,
    policy: Policy,
    lock: Disposable,
    options: KernelDatapathOptions,
  ) {
    this.#programs = programs
    this.#lock = lock
    this.#log = options.log
    this.policy = policy
    setConfig(programs, {
      cap_bytes: options.capBytes,
      stop_when_stale: this.policy === 'strict' ? 0 : 1,
      proxies_only: this.policy === 'proxies-only' ? 1 : 0,
    })
    this.#older = new OlderConnections({
      programs,
      netnsPaths: this.#netnsPaths,
      log: this.#log,
      found: () => this.#surveySoon(),
    })
    this.#keepaliveTimer = setInterval(() => this.#keepAlive(), KEEPALIVE_INTERVAL_MS)
    this.#events = new RingBuffer(programs.events, (sample) => this.#onEvent(sample))
    this.#events.watch((error) => this.#log.error({ err: error }, 'cannot read events'))
    this.#scan()
  }

  enrolled(): ReadonlySet<bigint> {
    return new Set(this.#programs.pods.keys())
  }

  enrol(pod: PodNetns): void {
    const { netnsCookie, netnsPath, proxyUid } = pod
    this.#netnsPaths.set(netnsCookie, netnsPath)
    this.#programs.pods.update(netnsCookie, { enabled: 1, proxy_uid: proxyUid })
    // From here on its new connections are watched.
    this.#older.lookIn(netnsCookie)
    this.#surveySoon()
  }

  withdraw(netnsCookie: bigint): void {
    this.#programs.pods.delete(netnsCookie)
    this.#surveySoon()
  }

  get redirecting(): boolean {
    return readConfig(this.#programs).redirect !== 0
  }

  async drain(timeoutMs: number): Promise<void> {
    await drainAll(this.#programs, this.#netnsPaths, timeoutMs)
  }

  resume(): void {
    setConfig(this.#programs, { redirect: 1 })
    this.#programs.survey.run()
  }

  counters(): Counters {
    const totals = sumCounters(this.#programs.counters.lookupPerCpu(0) ?? [])
    this.#programs.survey.run()
    const live = this.#programs.gauge.lookup(0)?.tcp_bytes ?? 0n
    return {
      redirectedBytes: totals.redirected_bytes,
      redirectedMessages: totals.redirected_messages,
      tcpBytes: totals.tcp_bytes + live,
      tcpMessages: totals.tcp_messages,
      reasons: Object.fromEntries(
        reasons.flatMap((name, code) => (code === 0 ? [] : [[name, totals.reasons[code] ?? 0n]])),
      ),
    }
  }

  connections(): ConnectionGauge {
    this.#programs.survey.run()
    const gauge = this.#programs.gauge.lookup(0)
    if (gauge === undefined)
      return { now: 0, watched: 0, joined: 0, engaged: 0, plain: 0, mixed: 0 }
    const { ends, paired, joined, engaged, mixed, leaving } = gauge
    // Two watched ends make a connection once they are paired; each other end is a connection of its own.
    const now = Math.max(paired, ends - paired)
    const members = Math.min(now, joined + leaving)
    return {
      now,
      watched: now - members,
      joined: members,
      engaged,
      plain: Math.max(0, now - engaged - mixed),
      mixed,
    }
  }

  flows(): Flow[] {
    return parseFlows(this.#programs.flows.iterate())
  }

  quarantined(): Quarantined[] {
    return this.#quarantine().map(([, program]) => program)
  }

  forgive(which: (program: Quarantined) => boolean): number {
    const forgiven = this.#quarantine().filter(([, program]) => which(program))
    for (const [key] of forgiven) this.#programs.quarantine.delete(key)
    return forgiven.length
  }

  #quarantine(): [ProgramRecord, Quarantined][] {
    return [...this.#programs.quarantine.entries()].map(([key, { reason, tgid, comm }]) => [
      key,
      {
        netnsCookie: key.netns_cookie,
        readerPid: tgid,
        readerComm: comm,
        reason: reasonName(reason),
      },
    ])
  }

  close(): void {
    clearTimeout(this.#scanTimer)
    clearTimeout(this.#surveyTimer)
    this.#older[Symbol.dispose]()
    clearInterval(this.#keepaliveTimer)
    this.#events[Symbol.dispose]()
    // Where members stay redirected without an agent, the higher cap applies from now on.
    if (this.policy === 'strict') setConfig(this.#programs, { heartbeat_ns: 0n })
    this.#programs[Symbol.dispose]()
    this.#lock[Symbol.dispose]()
  }

  /** Scans now and plans the next scan. */
  #scan(): void {
    clearTimeout(this.#scanTimer)
    let waitMs = FAILED_SCAN_INTERVAL_MS
    try {
      waitMs = scan(this.#programs, this.#netnsPaths)
    } catch (error) {
      this.#log.error({ err: error }, 'scan failed')
    }
    this.#scanTimer = setTimeout(() => this.#scan(), waitMs)
  }

  /** After a change of what is enrolled, or several in one turn: the survey walks over every watched socket. */
  #surveySoon(delayMs = 0): void {
    this.#surveyTimer ??= setTimeout(() => {
      this.#surveyTimer = undefined
      try {
        this.#programs.survey.run()
      } catch (error) {
        this.#log.error({ err: error }, 'survey failed')
        this.#surveySoon(FAILED_SCAN_INTERVAL_MS)
      }
      this.#scan()
    }, delayMs)
  }

  #onEvent(sample: Buffer): void {
    const { netns_cookie, kind, reason, tgid, comm } = event.decode(
      new DataView(sample.buffer, sample.byteOffset),
      0,
    )
    this.#log.warn(
      { netnsCookie: String(netns_cookie), pid: tgid, comm, reason: reasonName(reason) },
      eventKinds[kind] === 'reset'
        ? 'reset a connection: this reader would not have seen what was redirected to it'
        : 'quarantined: `meshaccel readers` names the pod and the program',
    )
    // The program may read other members.
    if (eventKinds[kind] === 'quarantined') this.#programs.survey.run()
  }

  /** Of pods that are gone; those of withdrawn ones are still needed until their connections have left. */
  #forgetPaths(): void {
    const enrolled = this.enrolled()
    for (const [cookie, path] of this.#netnsPaths) {
      if (!enrolled.has(cookie) && !existsSync(path)) this.#netnsPaths.delete(cookie)
    }
  }

  #keepAlive(): void {
    this.#forgetPaths()
    setConfig(this.#programs, { tcp_memory_pages: tcpMemoryPages() })
    if (this.connections().joined === 0) return
    for (const cookie of this.enrolled()) runInNetns(this.#programs.kick, cookie, this.#netnsPaths)
  }
}
