/** The real data path: maps, programs, and the scans that move connections between states. */

import { existsSync } from 'node:fs'
import type { RequestedPolicy } from '../lib/config.ts'
import type { Log } from '../lib/log.ts'
import type {
  Datapath,
  DatapathEvent,
  DrainOptions,
  Flow,
  Measurement,
  MeasureSettings,
  PodNetns,
  Policy,
  Quarantined,
  Survey,
  TrialCounts,
  UnwatchedSocket,
} from './datapath.ts'
import { Events } from './loop/events.ts'
import { describeStalledReaders } from './loop/stalled-readers.ts'
import type { Walks } from './netns/walks.ts'
import { survey, surveyGauge } from './loop/survey.ts'
import { flowPieces, flowsInTurns, parseFlows, parseUnwatched } from './loop/flow-table.ts'
import { Measurements } from './measure/measurements.ts'
import { OlderConnections } from './loop/older-connections.ts'
import { hasRules, podRecord } from './maps/pod-record.ts'
import { quarantined } from './maps/quarantined.ts'
import type { Programs } from './pins/programs.ts'
import { probesOf } from './selftest/probe-bits.ts'
import { ScanLoop } from './loop/scan-loop.ts'
import {
  drainAll,
  memoryBudgets,
  readConfig,
  Scans,
  setConfig,
  tcpMemoryPages,
} from './loop/scans.ts'
import { RationedWalks } from './netns/rationed-walks.ts'
import { SpliceWatch } from './loop/splice-watch.ts'
import { visit } from './loop/visit.ts'

/** The pause after a scan that failed. */
const FAILED_SCAN_INTERVAL_MS = 200
/** The pause between two rounds of keepalive settings for new members. */
const KEEPALIVE_INTERVAL_MS = 30_000

export interface KernelDatapathOptions {
  readonly cgroupPath: string
  readonly pinDir: string
  /** The BTF file or folder that the user named. */
  readonly btf?: string | undefined
  readonly capBytes: number
  readonly podMemoryBytes?: number | undefined
  readonly policy: RequestedPolicy
  readonly log: Log
}

/** The data path owns these and disposes of them in `close()`. */
interface Holdings {
  readonly lock: Disposable
  readonly others: Disposable
  readonly walks: Walks
}

/** Moves connections while it is open. */
export class KernelDatapath implements Datapath {
  readonly policy: Policy
  readonly selfTest: Readonly<Record<string, boolean>>
  readonly #programs: Programs
  readonly #holdings: Holdings
  readonly #log: Log
  /** Paths of the pods' network namespaces, by netns cookie. */
  readonly #netnsPaths = new Map<bigint, string>()
  readonly #scans: Scans
  readonly #spliceWatch: SpliceWatch
  readonly #scanLoop: ScanLoop
  #surveyTimer: NodeJS.Timeout | undefined
  readonly #older: OlderConnections
  /** The walks that give new members their settings. */
  readonly #settingsWalks: RationedWalks
  readonly #keepaliveTimer: NodeJS.Timeout
  readonly #events: Events
  readonly #measurements: Measurements

  constructor(
    programs: Programs,
    policy: Policy,
    holdings: Holdings,
    options: KernelDatapathOptions,
  ) {
    this.#programs = programs
    this.#holdings = holdings
    this.#log = options.log
    this.policy = policy
    this.selfTest = probesOf(readConfig(programs))
    setConfig(programs, {
      capBytes: options.capBytes,
      ...memoryBudgets(options.podMemoryBytes),
      stopWhenStale: this.#staysWithoutAgent ? 0 : 1,
      proxiesOnly: this.policy === 'proxies-only' ? 1 : 0,
    })
    this.#older = new OlderConnections({
      programs,
      walks: holdings.walks,
      netnsPaths: this.#netnsPaths,
      log: this.#log,
      found: () => this.#surveySoon(),
    })
    this.#spliceWatch = new SpliceWatch(programs, this.#log)
    this.#settingsWalks = new RationedWalks((cookie) => this.#giveSettings(cookie))
    this.#keepaliveTimer = setInterval(() => this.#keepAlive(), KEEPALIVE_INTERVAL_MS)
    this.#events = new Events(programs.events, (error) =>
      this.#log.error({ err: error }, 'cannot read events'),
    )
    this.#events.listen((event) => this.#onEvent(event))
    this.#measurements = new Measurements(programs, options.btf)
    this.#scans = new Scans({
      pins: programs,
      walks: holdings.walks,
      netnsPaths: this.#netnsPaths,
      giveSettings: (cookie) => this.#settingsWalks.ask(cookie),
      visit: (cookies) => visit(programs, cookies, this.#netnsPaths),
      watchSplice: () => this.#spliceWatch.need(),
    })
    this.#scanLoop = new ScanLoop(() => this.#scan())
  }

  /**
   * Whether members stay redirected while no agent runs. If FIONREAD hides a member's TCP bytes, a member must not take
   * TCP, because no agent could let it leave.
   */
  get #staysWithoutAgent(): boolean {
    return (
      this.policy === 'strict' ||
      (this.policy === 'full' && this.selfTest['fionread-tcp'] === false)
    )
  }

  enrolled(): ReadonlySet<bigint> {
    return new Set(this.#programs.pods.keys())
  }

  enrol(pod: PodNetns): void {
    const { netnsCookie, netnsPath } = pod
    const record = podRecord(pod)
    this.#netnsPaths.set(netnsCookie, netnsPath)
    if (hasRules(record)) this.#askRulesAgain()
    else this.#forgetRules(netnsCookie)
    this.#programs.pods.update(netnsCookie, record)
    // From now on the kernel watches the pod's new connections.
    this.#older.lookIn(netnsCookie)
    this.#surveySoon()
  }

  withdraw(netnsCookie: bigint): void {
    this.#forgetRules(netnsCookie)
    this.#programs.pods.delete(netnsCookie)
    this.#measurements.forget(netnsCookie)
    this.#surveySoon()
  }

  get redirecting(): boolean {
    return readConfig(this.#programs).redirect !== 0
  }

  async drain(options: DrainOptions): Promise<void> {
    await drainAll(this.#scans, options, (unkicked) =>
      describeStalledReaders(parseFlows(...flowPieces(this.#programs)), options.podOf, unkicked),
    )
  }

  resume(): void {
    setConfig(this.#programs, { redirect: 1 })
    this.#programs.survey.run()
  }

  survey(): Promise<Survey> {
    return survey(this.#programs)
  }

  flows(): AsyncIterable<readonly Flow[]> {
    return flowsInTurns(flowPieces(this.#programs))
  }

  async unwatched(netnsCookie: bigint): Promise<UnwatchedSocket[] | undefined> {
    const { walks } = this.#holdings
    const output = await walks.walk(this.#programs.unwatched, netnsCookie, this.#netnsPaths)
    return output && parseUnwatched(output)
  }

  quarantined(): Quarantined[] {
    return quarantined(this.#programs).map(([, program]) => program)
  }

  forgive(which: (program: Quarantined) => boolean): number {
    const forgiven = quarantined(this.#programs).filter(([, program]) => which(program))
    for (const [key] of forgiven) this.#programs.quarantine.delete(key)
    return forgiven.length
  }

  measure(settings: MeasureSettings): void {
    this.#measurements.set(settings)
  }

  label(netnsCookie: bigint, label: string): void {
    this.#measurements.label(netnsCookie, label)
  }

  measured(): Measurement[] {
    return this.#measurements.read()
  }

  trial(): TrialCounts[] {
    return this.#measurements.trial()
  }

  untold(): bigint {
    return this.#measurements.dropped()
  }

  listen(listener: (event: DatapathEvent) => void): Disposable {
    return this.#events.listen(listener)
  }

  async close(): Promise<void> {
    this.#scanLoop[Symbol.dispose]()
    clearTimeout(this.#surveyTimer)
    this.#older[Symbol.dispose]()
    clearInterval(this.#keepaliveTimer)
    this.#measurements[Symbol.dispose]()
    this.#events[Symbol.dispose]()
    await this.#scans.close()
    if (this.#staysWithoutAgent) {
      // The members stay redirected, and no agent will be running to attach the splice watch when a member needs it.
      this.#spliceWatch.need()
      await this.#settingsWalks.walkNow()
      // Members stay redirected without an agent, so the hard cap applies from now on.
      setConfig(this.#programs, { heartbeatNs: 0n })
    }
    this.#spliceWatch[Symbol.dispose]()
    this.#programs[Symbol.dispose]()
    this.#holdings.others[Symbol.dispose]()
    this.#holdings.walks[Symbol.dispose]()
    this.#holdings.lock[Symbol.dispose]()
  }

  /**
   * Call this before the pod's record is removed or loses its rules. The pod's connections may come back without those
   * rules.
   */
  #forgetRules(netnsCookie: bigint): void {
    const record = this.#programs.pods.lookup(netnsCookie)
    if (record && hasRules(record)) this.#askRulesAgain()
  }

  /**
   * Has the next survey check the existing connections against the rules of all pods. Call this before the change: if
   * the agent is killed between the two, no connection stays unchecked.
   */
  #askRulesAgain(): void {
    setConfig(this.#programs, { rules: readConfig(this.#programs).rules + 1 })
  }

  async #scan(): Promise<number> {
    try {
      const { waitMs } = await this.#scans.scan()
      this.#spliceWatch.rest()
      return waitMs
    } catch (error) {
      this.#log.error({ err: error }, 'scan failed')
      return FAILED_SCAN_INTERVAL_MS
    } finally {
      this.#settingsWalks.walkIfDue()
    }
  }

  /** Schedules one survey for all enrolment changes of the same tick. The survey walks over every watched socket. */
  #surveySoon(delayMs = 0): void {
    this.#surveyTimer ??= setTimeout(() => {
      this.#surveyTimer = undefined
      try {
        this.#programs.survey.run()
      } catch (error) {
        this.#log.error({ err: error }, 'survey failed')
        this.#surveySoon(FAILED_SCAN_INTERVAL_MS)
      }
      this.#scanLoop.scanNow()
    }, delayMs)
  }

  #onEvent({ kind, netnsCookie, pid, comm, reason }: DatapathEvent): void {
    if (kind === 'watch-splice') this.#spliceWatch.need()
    if (kind !== 'quarantined' && kind !== 'reset') return
    this.#log.warn(
      { netnsCookie: String(netnsCookie), pid, comm, reason },
      kind === 'reset'
        ? 'reset a connection: this reader would have missed some of what was redirected to it'
        : 'quarantined: `meshaccel readers` names the pod and the program',
    )
    // The quarantined program may read other members, which the survey finds.
    if (kind === 'quarantined') this.#surveySoon()
  }

  /** Forgets the paths of pods that are gone. A withdrawn pod needs its path until its connections have left. */
  #forgetPaths(): void {
    const enrolled = this.enrolled()
    for (const [cookie, path] of this.#netnsPaths) {
      if (enrolled.has(cookie) || existsSync(path)) continue
      this.#netnsPaths.delete(cookie)
      this.#holdings.walks.forget(cookie)
    }
  }

  #keepAlive(): void {
    this.#forgetPaths()
    setConfig(this.#programs, { tcpMemoryPages: tcpMemoryPages() })
    const { joined, leaving } = surveyGauge(this.#programs)
    if (joined + leaving === 0) return
    for (const cookie of this.enrolled()) this.#settingsWalks.ask(cookie)
  }

  /** Gives the new members of a pod their settings. After a failure the next round of keepalive settings repeats it. */
  async #giveSettings(netnsCookie: bigint): Promise<void> {
    const { walks } = this.#holdings
    try {
      const output = await walks.walk(this.#programs.kick, netnsCookie, this.#netnsPaths)
      if (output === undefined) this.#settingsWalks.ask(netnsCookie)
    } catch (error) {
      this.#log.error(
        { err: error, netnsCookie: String(netnsCookie) },
        'new members are without their settings',
      )
    }
  }
}
