import { test } from 'tap'
import { countCpu } from '../../../../src/agent/trial/pod-cpu.ts'

void test('each cgroup counts once, and one that is gone does not', async (t) => {
  let usage: Record<string, number> = { '/a': 100, '/a/b': 40, '/c': 5, '/gone': 1 }
  const use = countCpu(
    [
      { pod: 'shop/one', cgroups: ['/a', '/a/b'] },
      { pod: 'shop/two', cgroups: ['/a', '/c'] },
      { pod: 'shop/three', cgroups: ['/gone'] },
      { pod: 'shop/four', cgroups: [] },
    ],
    (cgroup) => usage[cgroup],
  )
  usage = { '/a': 160, '/a/b': 70, '/c': 6 }
  t.strictSame(use(), {
    totalUs: 61,
    pods: [
      { pod: 'shop/one', cpuUs: 60 },
      { pod: 'shop/two', cpuUs: 61 },
    ],
  })
})

void test('without a cgroup nothing is known', async (t) => {
  t.strictSame(countCpu([{ pod: 'a/b', cgroups: [] }], () => 1)(), { totalUs: undefined, pods: [] })
})
