import { join } from 'node:path'
import { packageRoot } from '../../src/lib/package.ts'

/** The mounts that before.ts made, for after.ts. */
export const noteFile: string = join(packageRoot, 'build/test/mounts.json')
