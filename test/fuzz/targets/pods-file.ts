import { PodsFileError } from '../../../src/sources/pods-file-error.ts'
import { parsePodsFile } from '../../../src/sources/pods-file.ts'

export function fuzz(input: Uint8Array): void {
  try {
    parsePodsFile(new TextDecoder().decode(input), 'pods.yaml')
  } catch (error) {
    if (!(error instanceof PodsFileError)) throw error
  }
}
