import { testModel } from './spin.ts'

const holds = [
  ['both directions, a blocking and an edge-triggered reader', 'WITHOUT_TOGGLE'],
  ['both, two edge-triggered readers', 'MESSAGES0=3 READERS1=EDGE JOINS=1 WITHOUT_TOGGLE'],
  ['both, two blocking readers, disabled and enabled', 'READERS0=BLOCKING JOINS=1'],
  ['one direction, each step alone, edge-triggered', 'FINE MESSAGES0=3 MESSAGES1=0 WITHOUT_TOGGLE'],
  ['one, each step alone, blocking', 'FINE MESSAGES1=0 READERS0=BLOCKING'],
  ['one, disabled and enabled', 'MESSAGES0=3 MESSAGES1=0'],
  [
    'one, a reader inside a receive during the join',
    'MESSAGES0=4 MESSAGES1=0 JOINS=1 WITHOUT_TOGGLE',
  ],
  ['one, a network that takes its time', 'SLOW_NETWORK MESSAGES0=3 MESSAGES1=0 JOINS=1'],
  ['one, two threads that block', 'READERS0=TWO MESSAGES1=0 WITHOUT_TOGGLE'],
  ['one, two threads that do not', 'READERS0=TWO_EDGE MESSAGES1=0 JOINS=1'],
  ['one, where a member hides TCP bytes', 'TCP_HIDDEN MESSAGES0=3 MESSAGES1=0 WITHOUT_TOGGLE'],
  ['the agent dies, `full`', 'AGENT=DIES MESSAGES0=3 MESSAGES1=0'],
  ['the agent dies, `strict`', 'AGENT=DIES STALE_STOPS=0 MESSAGES1=0'],
  ['the agent dies and has a successor', 'AGENT=REPLACED MESSAGES1=0'],
  [
    'the same, where a member hides TCP bytes',
    'AGENT=REPLACED TCP_HIDDEN STALE_STOPS=0 MESSAGES0=3 MESSAGES1=0 JOINS=1 WITHOUT_TOGGLE',
  ],
] as const

const fails = [
  ['R1, from TCP to redirect', 'reordered', 'WITHOUT_R1 JOINS=1 MESSAGES0=4 MESSAGES1=0'],
  [
    'R1, from redirect to TCP',
    'stalled',
    'WITHOUT_R1_BACK AGENT=DIES JOINS=1 MESSAGES0=4 MESSAGES1=0',
  ],
  [
    'the rule about blocked readers',
    'stalled',
    'WITHOUT_BLOCKED_READER_RULE READERS0=BLOCKING MESSAGES0=1 JOINS=1',
  ],
  [
    'the same rule, for a reader that does not block',
    'reordered',
    'WITHOUT_BLOCKED_READER_RULE MESSAGES0=4 MESSAGES1=0 JOINS=1 WITHOUT_TOGGLE',
  ],
  ['the wait before leaving', 'lost', 'WITHOUT_WAITING JOINS=1'],
  ['announcing before looking', 'lost', 'WITHOUT_ANNOUNCING_FIRST JOINS=1'],
  ['the number of the join', 'stalled', 'WITHOUT_JOIN_NUMBER READERS0=BLOCKING MESSAGES1=0'],
  [
    'reading that number before the state',
    'lost',
    'WITHOUT_READING_JOIN_FIRST READERS0=TWO_EDGE MESSAGES0=3 MESSAGES1=0 WITHOUT_TOGGLE',
  ],
  ['the kick', 'stalled', 'WITHOUT_KICK JOINS=1 MESSAGES0=4 MESSAGES1=0'],
  [
    'the kick by a successor',
    'stalled',
    'WITHOUT_KICKING_AGAIN AGENT=REPLACED MESSAGES0=4 MESSAGES1=0 JOINS=1',
  ],
] as const

testModel(
  'connection',
  ['every byte is read, once and in order', holds],
  ['without a rule its failure shows', fails],
)
