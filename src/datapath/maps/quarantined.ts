import type { BpfMap } from 'libbpf'
import type { Quarantined } from '../datapath.ts'
import type { ProgramRecord, QuarantineRecord } from './generated.ts'
import { reasonName } from './layout.ts'

interface QuarantineMap {
  readonly quarantine: Pick<BpfMap<ProgramRecord, QuarantineRecord>, 'entries'>
}

/** The programs that are kept off the fast path, each with its key in the map. */
export function quarantined({ quarantine }: QuarantineMap): [ProgramRecord, Quarantined][] {
  return [...quarantine.entries()].map(([key, { reason, tgid, comm }]) => [
    key,
    {
      netnsCookie: key.netnsCookie,
      readerPid: tgid,
      readerComm: comm,
      reason: reasonName(reason),
    },
  ])
}
