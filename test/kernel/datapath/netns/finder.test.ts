import { test } from 'tap'
import { currentNetnsCookie, netnsCookie } from 'libbpf'
import { pathTo, withNetnsOf } from '../../../../src/datapath/netns/finder.ts'
import { Mesh } from '../../../helpers/mesh.ts'
import { requireRoot } from '../../../helpers/requirements.ts'

void test('a path that leads elsewhere, or nowhere, is replaced by one that leads there', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t)
  const [path, other] = [mesh.pod(0).netns, mesh.pod(1).netns]
  const cookie = netnsCookie(path)
  t.equal(pathTo(cookie, new Map([[cookie, path]])), path)
  const wrong = { another: other, 'no namespace': '/proc/self/status', missing: '/run/netns/none' }
  for (const [what, known] of Object.entries(wrong)) {
    const found = pathTo(cookie, new Map([[cookie, known]]))
    t.equal(found && netnsCookie(found), cookie, what)
    t.equal(withNetnsOf(cookie, new Map([[cookie, known]]), currentNetnsCookie), cookie, what)
  }
  t.equal(withNetnsOf(cookie, new Map([[cookie, path]]), currentNetnsCookie), cookie)
  t.equal(pathTo(2n ** 60n, new Map()), undefined, 'a namespace that is gone')
  t.equal(withNetnsOf(2n ** 60n, new Map(), currentNetnsCookie), undefined, 'the same')
  const error = Object.assign(new Error('refused'), { code: 'ENOENT' })
  const refused = (): never => {
    throw error
  }
  t.throws(() => withNetnsOf(cookie, new Map([[cookie, path]]), refused), error, 'its own error')
})
