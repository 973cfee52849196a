import { parseFlows } from '../../../../src/datapath/loop/flow-table.ts'
import { flowEnd } from '../../../../src/datapath/maps/generated.ts'

export function fuzz(input: Uint8Array): void {
  const flows = parseFlows(input)
  if (flows.length > input.length / flowEnd.size) throw new Error('more flows than ends')
}
