import { execFileSync } from 'node:child_process'
import { readlinkSync } from 'node:fs'
import tap from 'tap'
import { currentNetnsCookie, netnsCookie, withNetns } from '../src/index.ts'
import { requireRoot } from './requirements.ts'

if (requireRoot(tap)) {
  void tap.test('network namespaces', async (t) => {
    const name = `libbpf-test-${process.pid}`
    execFileSync('ip', ['netns', 'add', name])
    t.teardown(() => execFileSync('ip', ['netns', 'delete', name]))
    const path = `/run/netns/${name}`
    const home = readlinkSync('/proc/thread-self/ns/net')
    const here = currentNetnsCookie()
    const there = netnsCookie(path)
    t.not(there, here)
    t.ok(there > 0n)
    t.equal(netnsCookie(path), there, 'the cookie stays')
    t.equal(netnsCookie('/proc/self/ns/net'), here)
    t.not(
      withNetns(path, () => readlinkSync('/proc/thread-self/ns/net')),
      home,
    )
    t.throws(
      () =>
        withNetns(path, () => {
          throw new Error('inside')
        }),
      { message: 'inside' },
    )
    t.equal(readlinkSync('/proc/thread-self/ns/net'), home, 'back home, after a failure too')
    t.throws(() => netnsCookie('/run/netns/nothing'), { code: 'ENOENT' })
    t.throws(() => netnsCookie('/etc/passwd'), {
      code: 'EINVAL',
      message: 'enter network namespace /etc/passwd: EINVAL: Invalid argument',
    })
  })
}
