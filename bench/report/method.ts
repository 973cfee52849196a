import { type Mode, modes } from '../options.ts'
import type { Report } from '../report.ts'
import { counted } from './format.ts'
import { percentText } from './text.ts'

/** A description of each mode. */
const modeWords: Readonly<Record<Mode, string>> = {
  iptables:
    "the baseline: both sidecars behind the mesh's rules, whichever tool writes them, no accelerator",
  meshaccel: 'the same, with the meshaccel agent started as a user starts it',
  observed:
    'meshaccel with everything on that observes, or with what `--observe` names: `--measure namespaces`, a running ' +
    '`meshaccel trace`, `--otlp`',
  naive:
    'the same, with every socket in a sockmap and every send redirected: the speed limit of the mechanism, ' +
    'without any of the safety',
  unix: 'the same two proxies and server chained over Unix sockets: the floor of any two sidecars',
  direct: 'client to server without sidecars',
}

/** A description of the method for a sceptical reader, one string per paragraph. */
export function methodOf(report: Report): string[] {
  if (report.kubernetes) return inCluster(report, report.kubernetes.node)
  const { pace, runs } = report
  const rounds = new Set(runs.map(({ round }) => round)).size
  return [
    'Two pods, each a network namespace joined to the other by veth pairs and a bridge, with a sidecar each, behind the ' +
      'rules that the mesh itself writes; their counters must show that both sidecars were crossed. nginx is the application, h2load the client; all run on this one machine ' +
      'and share its CPUs, so the client costs every mode the same.',
    'An accelerator has pods of its own. It starts before them and stays, so that runs of different modes follow each other ' +
      'within seconds. While other modes run it is idle. Its tracing programs see each receive of the machine, and leave at ' +
      'once if the socket is not of its pods.',
    `Every run starts its proxies afresh, warms up for at least ${seconds(pace.warmUpMs)}, leaves out ` +
      `the first ${seconds(pace.leadMs)} and measures about ${seconds(pace.durationMs)} more. The end of a run, when some ` +
      'connections have nothing left to do, does not count.',
    `Each of ${counted(rounds, 'round')} measures every mode once, in another random order. A figure is the median of the ` +
      'rounds. Dots are single rounds, and the line goes from the lowest to the highest.',
    intervalsOf(report),
    ...(runs.some(({ openLoop }) => openLoop)
      ? [
          'The speed is that of a closed loop: each connection sends its next request once it has its answer, so a stall ' +
            'keeps the requests away that would have shown it. The latency at a fixed rate has no such blind spot: requests ' +
            'are due by the clock, whatever became of those before, and each is timed from the moment at which it was due, ' +
            'its waiting for a free connection included.',
        ]
      : []),
    ...(runs.some(({ scenario }) => scenario === 'remote')
      ? [
          'In `remote` the server is a pod of another node: a namespace of its own routes to it, an agent of its own watches ' +
            'it, and the run fails if either agent has accelerated a connection between the nodes. Connections inside of ' +
            'each pod are accelerated as ever.',
        ]
      : []),
    'Every response is checked for its status, and all bodies together for their exact number of bytes: a wrong one fails ' +
      'the run. A round from which the hypervisor took more than 3 % of the time is repeated.',
    'CPU time is that of all processes of both pods and of the client, read from their cgroup, with the work that the ' +
      'kernel does on their behalf. A ratio below 1 in CPU time or latency is a gain.',
  ]
}

/** The ratios, and the reason why no more rounds were made. */
function intervalsOf({ ended, precision }: Report): string {
  const asked = `the interval of each speed ratio was narrower than ${percentText(precision)}`
  const end = {
    rounds: 'Their number was given.',
    precise: `They went on until ${asked}.`,
    time: `They would have gone on until ${asked}, but the time was up.`,
  }[ended]
  return (
    'Modes are compared within a round, because the machine changes from round to round. A ratio has a 95 % interval, by a ' +
    'bootstrap over the rounds; of fewer than six rounds it is that of Student. If the interval contains 1, the answer is ' +
    `"not sure". ${end}`
  )
}

function inCluster(report: Report, node: string): string[] {
  const { pace, runs } = report
  const rounds = new Set(runs.map(({ round }) => round)).size
  return [
    `Two namespaces of a running mesh, which has put its own sidecar into their pods; one is annotated ` +
      `meshaccel.io/enabled: "true", the other "false", and nothing else differs. All pods are on node ${node}; what else ` +
      'runs there runs beside them.',
    `In each namespace fortio serves, and a fresh pod with fortio sends for ${seconds(pace.durationMs)} over kept ` +
      'connections, as fast as answers come; the beginning, in which connections are made and join, counts. The two are ' +
      `measured in turns, in ${counted(rounds, 'round')}, each in a random order; a figure is the median of the rounds.`,
    intervalsOf(report),
    'Any answer but 200 fails the run. CPU time is not measured.',
  ]
}

export const modesOf = (report: Report): (readonly [Mode, string])[] =>
  modes
    .filter((mode) => report.runs.some((run) => run.mode === mode))
    .map((mode) => [mode, modeWords[mode]] as const)

const seconds = (ms: number): string => `${ms / 1000} s`
