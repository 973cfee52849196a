import { Advice } from './advice/advice.ts'
import { ChainWatch } from './chain.ts'
import { agentControl, probePages } from './control.ts'
import { Guard } from './guard/guard.ts'
import { Holds } from './holds.ts'
import { lockAgent } from './lock.ts'
import { prepareMachine, watchedNetns } from './machine.ts'
import { Observer } from './observer.ts'
import { countCpu, podCgroups } from './trial/pod-cpu.ts'
import { Trials } from './trial/trials.ts'
import { listenToCni, openSource, SourceFollower } from './follow-source.ts'
import { HttpServer } from '../api/http.ts'
import { Metrics } from '../api/metrics.ts'
import { ControlServer } from '../api/server.ts'
import { statusPage } from '../api/status-page.ts'
import type { DrainRequest } from '../api/views.ts'
import { defaults, type AgentConfig } from '../lib/config.ts'
import { cgroup2Directory, findCgroup2 } from '../lib/cgroup.ts'
import { AsyncDisposables } from '../lib/disposables.ts'
import type { Datapath, DrainOptions } from '../datapath/datapath.ts'
import { cleanupKernelDatapath, drainKernelDatapath, openKernelDatapath } from '../datapath/open.ts'
import { countTcpSockets, identifyNetns, resolveNetns } from '../datapath/netns/netns.ts'
import { WatchedCgroup } from '../datapath/watched-cgroup.ts'
import type { Log } from '../lib/log.ts'
import { version } from '../lib/package.ts'
import type { NetnsLookup } from '../reconcile/netns-cache.ts'
import { Reconciler } from '../reconcile/reconciler.ts'

/** The parts that use the kernel. Tests supply their own. */
export interface AgentParts {
  readonly openDatapath: (config: DatapathConfig, log: Log) => Datapath | Promise<Datapath>
  /** Drains what an agent has left behind. Resolves to whether it was already drained. */
  readonly drainDatapath: (pinDir: string, options: DrainOptions) => Promise<boolean>
  /** Drains, detaches and unpins what an agent has left behind. */
  readonly cleanupDatapath: (pinDir: string, options: DrainOptions) => Promise<void>
  /** If it is a function, it is called once the data path is open. */
  readonly netns: NetnsLookup | ((config: DatapathConfig) => NetnsLookup)
  /** Reads the counters of a network namespace; by default those of the kernel. */
  readonly countSockets?: typeof countTcpSockets
}

export type DatapathConfig = Pick<
  AgentConfig,
  'cgroupPath' | 'pinDir' | 'btf' | 'capBytes' | 'podMemoryBytes' | 'policy'
>

export const kernelParts: AgentParts = {
  openDatapath: (config, log) => {
    const { pinDir, btf, capBytes, podMemoryBytes, policy } = config
    prepareMachine(config, log)
    const cgroupPath = cgroup2Directory(config.cgroupPath)
    return openKernelDatapath({ cgroupPath, pinDir, btf, capBytes, podMemoryBytes, policy, log })
  },
  drainDatapath: drainKernelDatapath,
  cleanupDatapath: cleanupKernelDatapath,
  netns: ({ cgroupPath }) =>
    watchedNetns(
      { resolve: (ref, wantsIps) => resolveNetns(ref, { wantsIps }), identify: identifyNetns },
      new WatchedCgroup(cgroup2Directory(cgroupPath)),
    ),
}

export interface Agent {
  /**
   * Settles when the agent has ended, after `stop()` or after a cleanup over the control socket. Rejects as they do.
   */
  readonly ended: Promise<void>
  /**
   * Ends the agent and leaves the pins for a successor. With `cleanupOnExit` it removes them, and rejects if something
   * remains.
   */
  readonly stop: () => Promise<void>
}

/**
 * Starts everything in order, or nothing: if a step throws, the earlier ones are stopped in reverse. The lock and the
 * pods file or kubeconfig come first. So bad input leaves the kernel untouched.
 */
export async function startAgent(
  config: AgentConfig,
  log: Log,
  parts: AgentParts = kernelParts,
): Promise<Agent> {
  const started = new AsyncDisposables()
  try {
    return await start(config, log, parts, started)
  } catch (error) {
    await started[Symbol.asyncDispose]()
    throw error
  }
}

async function start(
  config: AgentConfig,
  log: Log,
  parts: AgentParts,
  outer: AsyncDisposables,
): Promise<Agent> {
  outer.use(lockAgent(config.socketPath))
  const source = await openSource(config.pods, log)
  outer.use(source)
  const pods = source.read()

  // The parts that use the kernel stop before the cleanup. The lock and the socket stay until after it.
  const inner = new AsyncDisposables()
  outer.defer(() => inner[Symbol.asyncDispose]())
  const datapath = await parts.openDatapath(config, log)
  inner.defer(() => datapath.close())
  if (datapath.policy === 'refused') {
    log.error({ reason: datapath.refusedBecause }, 'refused: all traffic takes the normal stack')
  }
  const { defaultEnabled, measure, measureOneIn } = config
  const metrics = new Metrics()
  const observer = new Observer({ datapath, measure, measureOneIn, log })
  inner.use(observer)
  if (config.otlp) {
    const { url, slowRequestMs } = config.otlp
    // Imported on demand: it takes 20 MB of memory, and few agents need it.
    const { SpanExport } = await import('./otlp.ts')
    const spans = new SpanExport(url, log)
    inner.defer(() => spans.close())
    observer.export(slowRequestMs, (event, raw) => spans.add(event, raw))
  }
  datapath.listen(({ kind }) => metrics.happened(kind))
  let server: ControlServer | undefined
  const reconciler = new Reconciler({
    datapath,
    netns: typeof parts.netns === 'function' ? parts.netns(config) : parts.netns,
    defaultEnabled,
    log,
    onRun: ({ seconds, seen }) => {
      metrics.reconciled(seconds)
      observer.follow(seen)
      guard.follow(seen)
    },
  })
  inner.use(reconciler)
  const guard = new Guard({
    datapath,
    reconciler,
    observer,
    percent: config.guardPercent,
    trial: () => trials.running,
    tell: (namespace, reason, message) => source.warnOfNamespace?.(namespace, reason, message),
    log,
  })
  inner.defer(() => guard.close())
  const followed = new SourceFollower(source, reconciler, log, () => server?.setReady())
  if (pods) await followed.pods(pods)
  source.watch(followed)
  const cni = await listenToCni(source, config.socketPath, log)
  inner.defer(() => cni?.close())
  inner.use(new ChainWatch(source))

  const remove = async (request: DrainRequest): Promise<void> => {
    await inner[Symbol.asyncDispose]()
    await parts.cleanupDatapath(config.pinDir, request)
  }
  const ending = new Ending(outer, log)
  const tell = (reason: string, message: string): void => source.warnOfNode?.(reason, message)
  const trials: Trials = new Trials({
    datapath,
    reconciler,
    observer,
    countCpu: (tried) => countCpu(podCgroups(tried, findCgroup2())),
    held: () => holds.pods,
    tell,
    log,
  })
  const holds = new Holds({ datapath, reconciler, trial: () => trials.running, tell, log })
  const countSockets = parts.countSockets ?? countTcpSockets
  const advice = new Advice({ datapath, reconciler, countSockets, log })
  const control = agentControl({
    datapath,
    seen: () => reconciler.seen,
    observer,
    trials,
    holds,
    advice,
    guard,
    source: followed,
    cleanup: async (request) => {
      await control.drain(request)
      const removed = remove(request)
      // Waits for the next tick: the socket closes only after open calls are answered, and this is one of them.
      await removed.finally(() => setImmediate(() => void ending.begin(removed)))
    },
  })
  server = await ControlServer.listen(config.socketPath, control, log)
  outer.defer(() => server?.close())
  if (followed.synced) server.setReady()
  if (config.http) {
    const http = await HttpServer.listen(config.http, {
      ...probePages(followed),
      '/status': statusPage(control),
      '/metrics': metrics.page(control, () => datapath.measured()),
    })
    outer.defer(() => http.close())
    log.info({ host: config.http.host, port: http.port }, 'serves probes and metrics')
  }
  log.info({ socket: config.socketPath, policy: datapath.policy, version }, 'agent runs')

  const request = { timeoutMs: defaults.drainTimeoutMs }
  const cleanup = (): Promise<void> => control.drain(request).then(() => remove(request))
  return {
    ended: ending.done,
    stop: () => ending.begin(config.cleanupOnExit ? cleanup() : Promise.resolve()),
  }
}

/** The shutdown of an agent. It happens once, whatever triggers it. */
class Ending {
  readonly done: Promise<void>
  readonly #started: AsyncDisposables
  readonly #log: Log
  #settle: (result: Promise<void>) => void = () => undefined
  #begun = false

  constructor(started: AsyncDisposables, log: Log) {
    this.#started = started
    this.#log = log
    this.done = new Promise((resolve) => (this.#settle = resolve))
  }

  /** Stops everything after `cleanup` has succeeded or failed. */
  begin(cleanup: Promise<void>): Promise<void> {
    if (!this.#begun) {
      this.#begun = true
      this.#settle(
        cleanup
          .finally(() => this.#started[Symbol.asyncDispose]())
          .then(() => this.#log.info('agent ended')),
      )
    }
    return this.done
  }
}
