/** Prepares the machine that the agent runs on. */
import type { AgentConfig } from '../lib/config.ts'
import { WatchedCgroup } from '../datapath/watched-cgroup.ts'
import { MeshaccelError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Finding, Place } from '../preflight/finding.ts'
import { mountMissing } from '../preflight/mount-missing.ts'
import { examine, explain, refuse } from '../preflight/preflight.ts'
import type { NetnsLookup } from '../reconcile/netns-cache.ts'

/**
 * Throws NOT_ON_THIS_MACHINE if the agent cannot run here. Logs the other findings and mounts what is missing. The mounts
 * stay, because pins live on them.
 */
export function prepareMachine(
  { pinDir, cgroupPath, btf }: Pick<AgentConfig, 'pinDir' | 'cgroupPath' | 'btf'>,
  log: Log,
): void {
  const place: Place = { purpose: 'agent', pinDir, cgroup: cgroupPath, btf }
  const findings = examine(place)
  refuse(findings)
  for (const finding of findings) logFinding(finding, log)
  for (const { type, at } of mountMissing(findings).mounts) {
    log.info({ type, at }, 'mounted, because it was missing')
  }
}

function logFinding(finding: Finding, log: Log): void {
  const { check, level, found } = finding
  const text = `${found}. ${explain(finding)}`
  if (level === 'refused') log.error({ check }, text)
  else if (level === 'warning') log.warn({ check }, text)
  else log.info({ check }, text)
}

/**
 * Looks namespaces up. Refuses those whose processes run outside the watched cgroup, because the programs do not see
 * these processes.
 */
export function watchedNetns(
  lookup: NetnsLookup,
  watched: Pick<WatchedCgroup, 'seesAll' | 'membership'>,
): NetnsLookup {
  if (watched.seesAll) return lookup
  return {
    // A changed membership counts as another namespace, so that the cache looks it up again.
    identify: (ref) => `${lookup.identify(ref)} ${watched.membership(ref)}`,
    resolve: (ref, wantsIps) => {
      const found = lookup.resolve(ref, wantsIps)
      if (watched.membership(ref) !== 'outside') return found
      throw new MeshaccelError('its processes run outside of the cgroup that the agent watches', {
        code: 'OUTSIDE_CGROUP',
        operation: `watch the sockets of ${'path' in ref ? ref.path : `pid ${ref.pid}`}`,
        hint: "Name the host's cgroup root with --cgroup; in a container: docker run --cgroupns=host.",
        retryable: true,
      })
    },
  }
}
