import { PodsFileError } from '../../../../src/sources/file/pods-file-error.ts'
import { parsePodsFile } from '../../../../src/sources/file/pods-file.ts'

export function fuzz(input: Uint8Array): void {
  try {
    parsePodsFile(new TextDecoder().decode(input), 'pods.yaml')
  } catch (error) {
    if (!(error instanceof PodsFileError)) throw error
  }
}
