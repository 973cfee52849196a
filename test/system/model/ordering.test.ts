import { testModel } from './spin.ts'

testModel(
  'ordering',
  [
    'every request is heard, and every announcement seen',
    [['a store waits in its processor', 'REQUESTS=3']],
  ],
  [
    'without its order a pair fails',
    [
      ['the exchange of the flag', 'unheard', 'WITHOUT_EXCHANGE'],
      ['the order of the announcement', 'lost', 'WITHOUT_ORDERED_ADD'],
    ],
  ],
)
