import { testModel } from './spin.ts'

testModel(
  'slots',
  [
    'a slot goes from one connection to the next',
    [
      ['to other sockets, which may have the same addresses', 'JOINS=2'],
      ['to the same socket, connected again', 'RECONNECTS'],
      ['while the kernel asks about the rest of a message', 'PARTS JOINS=1'],
    ],
  ],
  [
    'without a rule its failure shows',
    [
      ['naming the socket that has closed', 'wrong', 'WITHOUT_NAMED_CLOSE'],
      ['numbers of joins that go on', 'lost', 'WITHOUT_JOIN_NUMBERS'],
      ['redirecting the rest by its key', 'strayed', 'WITHOUT_REDIRECTING_AGAIN PARTS JOINS=1'],
      ['the sweep over sockets', 'leaked', 'WITHOUT_SWEEP'],
      ['taking a socket out that disconnects', 'stale', 'WITHOUT_DELETING RECONNECTS'],
    ],
  ],
)
