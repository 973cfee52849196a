import { commands } from './commands.ts'
import type { GeneratedPage } from './generated-page.ts'
import { kernels } from './kernels.ts'
import { maps } from './maps.ts'
import { metrics } from './metrics.ts'
import { values } from './values.ts'

export const pages: readonly GeneratedPage[] = [commands, kernels, maps, metrics, values]
