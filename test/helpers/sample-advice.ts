import type { AdviceBegunView, AdviceReportView } from '../../src/api/views.ts'

/** Answers about advice with something in each field. */
export const sampleBegun: AdviceBegunView = {
  pods: ['shop/cart', 'shop/stock', 'bank/ledger'],
  sockets: 40,
  leftOut: [
    { pod: 'shop/batch', reason: 'no-mesh' },
    { pod: 'shop/old', reason: 'disabled-by-name' },
  ],
  withRules: ['bank/ledger'],
}

export const sampleReport: AdviceReportView = {
  elapsedMs: 10_000,
  cost: { looks: 9, cpuUs: 20_000n, slowestLookUs: 4_000n, pauseMs: 1_000, uncounted: 0 },
  namespaces: [
    {
      namespace: 'bank',
      pods: 1,
      opened: 900n,
      all: { connections: 3, bytes: 2_000n, turns: 0n },
      bothHere: { connections: 1, bytes: 1_000n, turns: 0n },
      wouldJoin: { connections: 0, bytes: 0n, turns: 0n },
      wouldNot: {
        'blocking-reader': { connections: 1, bytes: 1_000n, turns: 0n },
        'remote-peer': { connections: 2, bytes: 1_000n, turns: 0n },
      },
      readers: { proven: 1, unproven: { 'blocking-reader': 1 } },
      peers: [
        {
          pod: 'bank/ledger',
          calls: true,
          address: '10.0.0.9',
          port: 5432,
          connections: 2,
          bytes: 1_000n,
          peer: 'bank/db',
          reason: 'no-mesh',
        },
      ],
      morePeers: 2,
    },
    {
      namespace: 'shop',
      pods: 2,
      opened: 4n,
      all: { connections: 10, bytes: 102_400_000n, turns: 40_000n },
      bothHere: { connections: 8, bytes: 102_400_000n, turns: 40_000n },
      wouldJoin: { connections: 8, bytes: 102_400_000n, turns: 40_000n },
      wouldNot: { 'remote-peer': { connections: 2, bytes: 0n, turns: 0n } },
      readers: { proven: 16, unproven: { unseen: 2 } },
      peers: [
        {
          pod: 'shop/cart',
          calls: true,
          address: '10.1.0.7',
          port: 8080,
          connections: 1,
          bytes: 5_000n,
        },
        {
          pod: 'shop/stock',
          calls: false,
          address: '10.1.0.8',
          port: 80,
          connections: 1,
          bytes: 9_000n,
        },
      ],
      morePeers: 0,
    },
  ],
}
