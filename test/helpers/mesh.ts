import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { findCgroup2 } from '../../src/lib/cgroup.ts'
import { AgentProcess, cli } from './agent-process.ts'
import { Child } from './child.ts'
import { ready } from './compile.ts'
import { knownPolicy, rememberPolicy } from './known-policy.ts'
import { until } from './retry.ts'
import { TrafficPrograms } from './traffic.ts'

/** A network namespace that stands for a pod. */
export interface Pod {
  readonly name: string
  readonly netns: string
  readonly address: string
  readonly address6: string
  /** Runs a traffic program inside the pod's namespace and the mesh's cgroup. `through` is a command that starts it. */
  run<Line extends { readonly event: string }>(
    program: string,
    args?: readonly string[],
    through?: readonly string[],
  ): Child<Line>
  /** Runs test/system/software/traffic/NAME.ts inside the pod's namespace and the mesh's cgroup. */
  script<Line extends { readonly event: string }>(name: string, options: object): Child<Line>
  /** Runs a command inside the pod's namespace and the mesh's cgroup, at most until the mesh is disposed of. */
  start(command: string, ...args: string[]): ChildProcess
  /** Runs a command inside the namespace and waits for it. */
  exec(command: string, ...args: string[]): string
}

type BlockingReaders = 'accelerate' | 'leave'

let meshes = 0

/**
 * Pods that reach each other over a bridge in a namespace of its own, a scratch cgroup, and a pods file. All of it ends
 * with the test.
 */
export class Mesh implements AsyncDisposable {
  /** In memory: truncating a file on a busy disk may take seconds. */
  readonly directory: string = mkdtempSync('/dev/shm/meshaccel-mesh-')
  readonly id: string = `ma${process.pid}n${++meshes}`
  readonly cgroup: string = join(findCgroup2(), `meshaccel-test-${this.id}`)
  readonly pinDir: string = `/sys/fs/bpf/meshaccel-test-${this.id}`
  readonly socket: string = join(this.directory, 'agent.sock')
  readonly podsFile: string = join(this.directory, 'pods.yaml')
  readonly podsOrigin: string = `file:${this.podsFile}`
  readonly pods: Pod[] = []
  /** The agent's command. */
  cli: string = cli
  /** A command that starts the agent's process, such as one that hides something from it. */
  through: readonly string[] = []
  readonly #programs = new TrafficPrograms()
  readonly #netns: string[] = []
  /** The pods file says nothing about a pod that is missing here. */
  readonly #enabled = new Map<string, boolean>()
  readonly #exclude = new Map<string, string>()
  #meshName = 'istio'
  #agents: AgentProcess[] = []
  #blockingReaders: BlockingReaders = 'accelerate'

  /**
   * Creates the pods. `enabled` says whether the pods file enrols the pods at first; by default it does. Connections with
   * blocking readers also join, unless `blockingReaders` sets the product's default.
   */
  static async make(
    t: Pick<Test, 'teardown'>,
    {
      pods = 2,
      enabled = true,
      name = 'istio',
      blockingReaders = 'accelerate',
    }: {
      pods?: number
      enabled?: boolean | 'unset'
      name?: 'istio' | 'ambient'
      blockingReaders?: BlockingReaders
    } = {},
  ): Promise<Mesh> {
    const mesh = new Mesh()
    mesh.#blockingReaders = blockingReaders
    mesh.#meshName = name
    t.teardown(() => mesh[Symbol.asyncDispose]())
    mkdirSync(mesh.cgroup)
    const bridge = mesh.#addNetns('br')
    ip('-n', bridge, 'link', 'add', 'br0', 'type', 'bridge')
    ip('-n', bridge, 'link', 'set', 'br0', 'up')
    for (let i = 1; i <= pods; i++) mesh.#addPod(bridge, i, enabled)
    mesh.#writePods()
    return mesh
  }

  /** The pod with this index, which must exist. */
  pod(index: number): Pod {
    const pod = this.pods[index]
    if (!pod) throw new Error(`there is no pod ${index}`)
    return pod
  }

  /**
   * Starts an agent and waits until it runs. An earlier one must have ended. The self-test runs with `--policy auto`,
   * or if no earlier test has run it.
   */
  async startAgent(...flags: string[]): Promise<AgentProcess> {
    const says = flags.includes('--policy') || ready !== undefined
    const known = says ? undefined : knownPolicy()
    const policy = known === undefined ? [] : ['--policy', known]
    const agent = new AgentProcess(this, [...policy, ...flags])
    this.#agents.push(agent)
    await agent.runs()
    if (!says && known === undefined) rememberPolicy((await agent.status()).policy)
    return agent
  }

  /** Runs a traffic program in the mesh's cgroup, and in the node's namespaces. */
  runOnNode<Line extends { readonly event: string }>(
    program: string,
    args: readonly string[],
  ): Child<Line> {
    const script = 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"'
    return new Child('sh', ['-c', script, 'sh', this.cgroup, this.#programs.path(program), ...args])
  }

  /** Edits the pods file. */
  enable(pod: Pod, enabled: boolean): void {
    this.#enabled.set(pod.name, enabled)
    this.#writePods()
  }

  /** Edits the pods file: sets the rules of these pods, such as `ports: [80]`, and removes all others. */
  exclude(rules: readonly (readonly [Pod, string])[]): void {
    this.#exclude.clear()
    for (const [pod, rule] of rules) this.#exclude.set(pod.name, rule)
    this.#writePods()
  }

  /** Ends the agent, its objects in the kernel, and then the namespaces. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const agent of this.#agents.splice(0)) await agent[Symbol.asyncDispose]()
    try {
      AgentProcess.cleanup(this)
    } finally {
      // A namespace exists until its last process has ended.
      await until('the cgroup is empty', () => this.#killAll() && this.#removeCgroup())
      for (const name of this.#netns.splice(0)) ip('netns', 'delete', name)
      rmSync(this.directory, { recursive: true, force: true })
      this.#programs[Symbol.dispose]()
    }
  }

  #addNetns(suffix: string): string {
    const name = `${this.id}-${suffix}`
    ip('netns', 'add', name)
    this.#netns.push(name)
    ip('-n', name, 'link', 'set', 'lo', 'up')
    return name
  }

  #addPod(bridge: string, index: number, enabled: boolean | 'unset'): void {
    const name = `pod-${index}`
    const netnsName = this.#addNetns(name)
    const netns = `/run/netns/${netnsName}`
    const address = `10.251.0.${index}`
    const address6 = `fd51::${index}`
    const port = `p${index}`
    const enter = (command: string, args: readonly string[]): [string, string[]] => {
      const script = 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"'
      const inside = ['nsenter', `--net=${netns}`, '--', command, ...args]
      return ['sh', ['-c', script, 'sh', this.cgroup, ...inside]]
    }
    ip('-n', bridge, 'link', 'add', port, 'type', 'veth', 'peer', 'eth0', 'netns', netnsName)
    ip('-n', bridge, 'link', 'set', port, 'master', 'br0', 'up')
    ip('-n', netnsName, 'addr', 'add', `${address}/24`, 'dev', 'eth0')
    ip('-n', netnsName, 'addr', 'add', `${address6}/64`, 'dev', 'eth0', 'nodad')
    ip('-n', netnsName, 'link', 'set', 'eth0', 'up')
    if (enabled !== 'unset') this.#enabled.set(name, enabled)
    this.pods.push({
      name,
      netns,
      address,
      address6,
      run: (program, args = [], through = []) => {
        const [command = '', ...rest] = [...through, this.#programs.path(program), ...args]
        return new Child(...enter(command, rest))
      },
      script: (script, options) => {
        const path = new URL(`../system/software/traffic/${script}.ts`, import.meta.url).pathname
        const args = ['--import=tsx', path, JSON.stringify(options)]
        return new Child(...enter(process.execPath, args))
      },
      start: (command, ...args) => spawn(...enter(command, args), { stdio: 'pipe' }),
      exec: (command, ...args) =>
        execFileSync('nsenter', [`--net=${netns}`, '--', command, ...args], { encoding: 'utf8' }),
    })
  }

  #writePods(): void {
    const lines = this.pods.map(
      ({ name, netns }) =>
        `  - {namespace: shop, name: ${name}, netns: ${netns}, mesh: ${this.#meshName}, ` +
        `exclude: {${this.#exclude.get(name) ?? ''}}, ` +
        (this.#enabled.has(name) ? `enabled: ${this.#enabled.get(name)}, ` : '') +
        `blockingReaders: ${this.#blockingReaders}}\n`,
    )
    writeFileSync(this.podsFile, `pods:\n${lines.join('')}`)
  }

  #killAll(): true {
    const processes = readFileSync(join(this.cgroup, 'cgroup.procs'), 'utf8')
    for (const pid of processes.split('\n').filter(Boolean)) {
      try {
        process.kill(Number(pid), 'SIGKILL')
      } catch {
        // It has just ended.
      }
    }
    return true
  }

  #removeCgroup(): boolean {
    try {
      rmdirSync(this.cgroup)
      return true
    } catch {
      return false
    }
  }
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}
