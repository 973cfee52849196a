import { testModel } from './spin.ts'

testModel(
  'slots',
  [
    'a slot goes from one connection to the next',
    [
      ['to other sockets, which may have the same addresses', 'JOINS=2'],
      ['to the same socket, connected again', 'RECONNECTS'],
    ],
  ],
  [
    'without a rule its failure shows',
    [
      ['naming the socket that has closed', 'wrong', 'WITHOUT_NAMED_CLOSE'],
      ['numbers of joins that go on', 'lost', 'WITHOUT_JOIN_NUMBERS'],
      ['the sweep over sockets', 'leaked', 'WITHOUT_SWEEP'],
      ['taking a socket out that disconnects', 'stale', 'WITHOUT_DELETING RECONNECTS'],
    ],
  ],
)
