import { test } from 'tap'
import { cgroup2Directory, findCgroup2, isHierarchyRoot } from '../../../src/lib/cgroup.ts'
import { parseMountinfo } from '../../../src/lib/mountinfo.ts'

const find = (mountinfo: string): string => findCgroup2(parseMountinfo(mountinfo))

void test('finds the hierarchy on a unified and on a hybrid machine', async (t) => {
  t.equal(
    find('35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n'),
    '/sys/fs/cgroup',
  )
  t.equal(
    find(`31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
`),
    '/sys/fs/cgroup/unified',
  )
})

void test('prefers the whole hierarchy to a bind mount of a part of it', async (t) => {
  t.equal(
    find(`41 31 0:38 /a/b /mnt/part rw - cgroup2 cgroup2 rw
42 31 0:38 / /mnt/the\\040whole rw master:1 - cgroup2 cgroup2 rw
`),
    '/mnt/the whole',
  )
})

void test('says what to do when there is none', async (t) => {
  t.throws(() => find('32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n'), {
    code: 'NO_CGROUP2',
    message: 'find the cgroup v2 root: no cgroup v2 hierarchy is mounted',
    hint: /mount -t cgroup2/,
  })
})

void test('a named directory must be of the hierarchy', async (t) => {
  const none = { code: 'NO_CGROUP2', hint: /--cgroup/ }
  t.throws(() => cgroup2Directory('/proc/nonexistent'), { ...none, message: /: there is none$/ })
  t.throws(() => cgroup2Directory('/proc'), { ...none, message: /not on a cgroup v2/ })
  const root = findCgroup2()
  t.equal(cgroup2Directory(undefined), root)
  t.equal(cgroup2Directory(root), root)
})

void test('the root of the hierarchy is told by a file that it lacks', async (t) => {
  t.ok(isHierarchyRoot('/cgroup', () => false))
  t.notOk(isHierarchyRoot('/cgroup', (path) => path === '/cgroup/cgroup.events'))
})
