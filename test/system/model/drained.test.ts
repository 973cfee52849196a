import { testModel } from './spin.ts'

const holds = [
  ['counts are missed', 'MISSES=1'],
  ['redirects fail, and counts are missed', 'MISSES=1 FAILURES=1 JOINS=1'],
  ['a redirect fails half way', 'FAILURES=1 JOINS=1'],
  ['sends take TCP unasked', 'SKIPS=1 JOINS=1'],
  ['the same, where a member hides TCP bytes', 'SKIPS=1 HIDDEN JOINS=1'],
  ['a splice comes between the last counted receive and the join', 'SPLICES=1 JOINS=1'],
  [
    'the other direction is read once this one has arrived, where a member hides TCP bytes',
    'WAITED_FOR HIDDEN JOINS=1',
  ],
  ['a thread of the sender sleeps in a receive', 'SLEEPER JOINS=1'],
  ['two readers', 'READERS=2 UNBOUNDED JOINS=1'],
] as const

const fails = [
  ['the proof by structure, where a count is missed', 'unsettled', 'WITHOUT_STRUCTURE MISSES=1'],
  ['the proof by structure, where a redirect fails', 'unsettled', 'WITHOUT_STRUCTURE FAILURES=1'],
  [
    'the proof by structure, where a splice comes before the join',
    'unsettled',
    'WITHOUT_STRUCTURE SPLICES=1 JOINS=1',
  ],
  ['the kick while sealed', 'stalled', 'WITHOUT_WAKING_SEALED WAITED_FOR HIDDEN JOINS=1'],
  ['the books, where a thread sleeps', 'unsettled', 'WITHOUT_BOOKS SLEEPER JOINS=1'],
  ['the look at references', 'lost', 'WITHOUT_REFERENCES'],
  ['looking at references before the queue', 'lost', 'WITHOUT_REFERENCES_FIRST'],
  ['the write_seq of the path', 'reordered', 'WITHOUT_PATH_SEQ SKIPS=1 JOINS=1'],
  ['the sweep over members', 'stalled', 'WITHOUT_SWEEP SKIPS=1 JOINS=1'],
  ['waking on a redirected path', 'stalled', 'WITHOUT_WAKING_REDIRECTED SKIPS=1 JOINS=1'],
  ['asking again for a join', 'lost', 'WITHOUT_PROVING_AGAIN WITHOUT_DISTRUST'],
  [
    'asking again for a join, where a thread sleeps',
    'unsettled',
    'WITHOUT_PROVING_AGAIN SLEEPER JOINS=1',
  ],
  [
    'distrust of books that one of two readers set right',
    'lost',
    'WITHOUT_DISTRUST READERS=2 UNBOUNDED JOINS=1',
  ],
  /* Neither proof works then. It leaves when the thread wakes. */
  ['a count, while a thread sleeps', 'unsettled', 'SLEEPER MISSES=1 JOINS=1'],
] as const

testModel(
  'drained',
  ['an end leaves when it may, and no sooner', holds],
  ['without a mend its failure shows', fails],
)
