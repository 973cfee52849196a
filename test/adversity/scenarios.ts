import type { Scenario } from './scenario.ts'
import { foreignOptions, overwrittenFlags } from './scenarios/foreign-options.ts'
import { loneMemberAfter, loneMemberBefore } from './scenarios/lone-member.ts'
import { resets } from './scenarios/resets.ts'
import { reusedSockets } from './scenarios/reused-sockets.ts'
import {
  allClosesSkipped,
  closesSkipped,
  fewReceivesSkipped,
  manyReceivesSkipped,
} from './scenarios/skipped-events.ts'

/** By the name that chooses them. */
export const scenarios: Readonly<Record<string, Scenario>> = {
  fewReceivesSkipped,
  manyReceivesSkipped,
  closesSkipped,
  allClosesSkipped,
  resets,
  reusedSockets,
  loneMemberBefore,
  loneMemberAfter,
  foreignOptions,
  overwrittenFlags,
}
