import type { Scenario } from './scenario.ts'
import {
  askerBeforeJoin,
  askersPreempted,
  askerTurns,
  askerTurnsOverUnread,
  readerByFionread,
} from './scenarios/askers.ts'
import { disturbedInReceive, fullDuplex } from './scenarios/blocking.ts'
import { closedInMessage } from './scenarios/closing.ts'
import { watchCost } from './scenarios/cost.ts'
import { reconnected } from './scenarios/disconnect.ts'
import { heldByReader, heldByWriter } from './scenarios/faulting.ts'
import { hoarded } from './scenarios/hoard.ts'
import { sealedOverUnread, unaskedVerdict } from './scenarios/inquirer.ts'
import { lateReader } from './scenarios/late-reader.ts'
import { limitedReceiver, strandedWriter } from './scenarios/memory.ts'
import { mappedReceive, splicedBeforeJoin, urgentByTcp } from './scenarios/uncounted.ts'
import { foreignOptions, overwrittenFlags } from './scenarios/foreign-options.ts'
import { loneMemberAfter, loneMemberBefore } from './scenarios/lone-member.ts'
import { memoryPressure } from './scenarios/memory-pressure.ts'
import { pausingReader } from './scenarios/pausing.ts'
import { peekerBeforeJoin, peekerTurns, peekerWaits } from './scenarios/peeking.ts'
import { preempted } from './scenarios/preempted.ts'
import { resets } from './scenarios/resets.ts'
import { reusedSockets } from './scenarios/reused-sockets.ts'
import {
  allClosesSkipped,
  closesSkipped,
  fewReceivesSkipped,
  manyReceivesSkipped,
} from './scenarios/skipped-events.ts'
import { takenMember } from './scenarios/taken-member.ts'
import {
  agentWithoutDescriptors,
  applicationWithoutDescriptors,
  throttled,
} from './scenarios/starved.ts'
import {
  controlCharacters,
  stoppedAgent,
  stoppedReader,
  stoppedWriter,
} from './scenarios/stopped.ts'

/** Scenarios by name. */
export const scenarios: Readonly<Record<string, Scenario>> = {
  fewReceivesSkipped,
  manyReceivesSkipped,
  closesSkipped,
  allClosesSkipped,
  resets,
  reusedSockets,
  loneMemberBefore,
  loneMemberAfter,
  takenMember,
  foreignOptions,
  overwrittenFlags,
  preempted,
  stoppedReader,
  stoppedWriter,
  stoppedAgent,
  controlCharacters,
  applicationWithoutDescriptors,
  agentWithoutDescriptors,
  throttled,
  memoryPressure,
  splicedBeforeJoin,
  urgentByTcp,
  mappedReceive,
  limitedReceiver,
  strandedWriter,
  closedInMessage,
  pausingReader,
  peekerBeforeJoin,
  peekerTurns,
  peekerWaits,
  lateReader,
  sealedOverUnread,
  unaskedVerdict,
  reconnected,
  hoarded,
  heldByReader,
  heldByWriter,
  disturbedInReceive,
  fullDuplex,
  askerBeforeJoin,
  askersPreempted,
  askerTurns,
  askerTurnsOverUnread,
  readerByFionread,
  watchCost,
}
