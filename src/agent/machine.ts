/** The agent and the machine that it finds itself on. */
import type { AgentConfig } from '../lib/config.ts'
import { WatchedCgroup } from '../datapath/watched-cgroup.ts'
import { MeshaccelError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Finding, Place } from '../preflight/finding.ts'
import { mountMissing } from '../preflight/mount-missing.ts'
import { examine, explain, refuse } from '../preflight/preflight.ts'
import type { NetnsLookup } from '../reconcile/netns-cache.ts'

/**
 * Throws NOT_ON_THIS_MACHINE where nothing can be started, logs what else is odd, and mounts what is missing. The mounts
 * stay: pins live on them.
 */
export function prepareMachine(
  { pinDir, cgroupPath }: Pick<AgentConfig, 'pinDir' | 'cgroupPath'>,
  log: Log,
): void {
  const place: Place = { purpose: 'agent', pinDir, cgroup: cgroupPath }
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

/** Looks namespaces up, and refuses those whose processes run outside of the watched cgroup: nothing of them is seen. */
export function watchedNetns(
  lookup: NetnsLookup,
  watched: Pick<WatchedCgroup, 'seesAll' | 'membership'>,
): NetnsLookup {
  if (watched.seesAll) return lookup
  return {
    // Another membership is another namespace to those that look for changes.
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
