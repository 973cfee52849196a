import { existsSync } from 'node:fs'
import { systemCommand } from '../../system/system-command.ts'
import { inside, type PodNetwork } from '../network.ts'
import type { RuleSet } from './redirect.ts'

/** The fields of `nft -j list ruleset` that the bench reads. */
interface Listing {
  readonly nftables: readonly {
    readonly rule?: {
      readonly expr: readonly {
        readonly counter?: { readonly packets: number }
        readonly redirect?: { readonly port: number }
      }[]
    }
  }[]
}

/** One table in the format of `nft -f`. */
export function nftRules(text: string): RuleSet {
  const table = /^table (\S+ \S+) /.exec(text)?.[1]?.split(' ') ?? []
  return {
    transparent: false,
    install: (stack, pod) => {
      stack.defer(`take the rules out of the ${pod.name} pod`, () => {
        // `table NAME` creates the table if it is missing, so the deletion cannot fail.
        const name = table.join(' ')
        if (existsSync(pod.netns)) nft(pod, `table ${name}\ndelete table ${name}\n`)
      })
      nft(pod, text)
    },
    ledTo: (port, pod) =>
      redirectedTo(port, inside(pod.netns, 'nft', '-j', 'list', 'table', ...table)),
  }
}

const nft = (pod: PodNetwork, text: string): string =>
  systemCommand('nsenter', [`--net=${pod.netns}`, '--', 'nft', '-f', '-'], text)

/**
 * The number of packets that redirect rules in the output of `nft -j list` have sent to a port: the first one of each
 * connection.
 */
export function redirectedTo(port: number, listing: string): number {
  const { nftables }: Listing = JSON.parse(listing)
  const rules = nftables.flatMap(({ rule }) => (rule ? [rule.expr] : []))
  return rules
    .filter((expr) => expr.some(({ redirect }) => redirect?.port === port))
    .flatMap((expr) => expr.map(({ counter }) => counter?.packets ?? 0))
    .reduce((sum, packets) => sum + packets, 0)
}
