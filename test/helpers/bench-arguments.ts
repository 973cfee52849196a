import type { BenchArguments } from '../../bench/plan.ts'

/** The command line `bench`, with everything left out that may be. */
export const benchArguments: BenchArguments = {
  proxy: 'haproxy',
  'proxy-binary': undefined,
  mesh: undefined,
  redirect: undefined,
  scenario: 'keepalive',
  modes: undefined,
  observe: undefined,
  connections: undefined,
  payload: undefined,
  duration: undefined,
  rate: undefined,
  rounds: undefined,
  precision: undefined,
  timeLimit: undefined,
  quick: false,
}
