import assert from 'node:assert/strict'
import { join } from 'node:path'
import { makeBtf } from '../../../src/btf/make.ts'
import { acceleratesWithoutBtfFile } from '../../helpers/hidden-btf.ts'
import type { Mesh } from '../../helpers/mesh.ts'
import type { Finding } from './told.ts'

const MOST_BYTES = 200 << 10

/** With a minimal BTF the agent accelerates although this kernel's own is hidden. */
export async function hiddenBtf(mesh: Mesh): Promise<Finding> {
  const folder = join(mesh.directory, 'btf')
  const { path, bytes } = makeBtf({ folder })
  assert.ok(bytes < MOST_BYTES, `${bytes} bytes`)
  const log = await acceleratesWithoutBtfFile(mesh, '--btf', folder)
  assert.ok(log.includes(`fitted to the types in ${path}`), log)
  return { done: `${bytes} bytes of BTF` }
}
