import { test } from 'tap'
import { netnsCookie } from 'libbpf'
import { pathTo } from '../../../../src/datapath/netns/finder.ts'
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
  }
  t.equal(pathTo(2n ** 60n, new Map()), undefined, 'a namespace that is gone')
})
