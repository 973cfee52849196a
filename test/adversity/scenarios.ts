import type { Scenario } from './scenario.ts'
import { disturbedInReceive, fullDuplex } from './scenarios/blocking.ts'
import { reconnected } from './scenarios/disconnect.ts'
import { heldByReader, heldByWriter } from './scenarios/faulting.ts'
import { hoarded } from './scenarios/hoard.ts'
import { sealedOverUnread, unaskedVerdict } from './scenarios/inquirer.ts'
import { limitedReceiver } from './scenarios/memory.ts'
import { mappedReceive, splicedBeforeJoin, urgentByTcp } from './scenarios/uncounted.ts'

/** By the name that chooses them. */
export const scenarios: Readonly<Record<string, Scenario>> = {
  splicedBeforeJoin,
  urgentByTcp,
  mappedReceive,
  limitedReceiver,
  sealedOverUnread,
  unaskedVerdict,
  reconnected,
  hoarded,
  heldByReader,
  heldByWriter,
  disturbedInReceive,
  fullDuplex,
}
