/** Where the kernel's types are taken from, to which the programs are fitted: a file, or the kernel itself. */
import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { machine, release } from 'node:os'
import { join } from 'node:path'
import { defaults } from './config.ts'
import { packageRoot } from './package.ts'

/** The kernel's own file. */
export const kernelBtfPath = '/sys/kernel/btf/vmlinux'

/** A folder has files by machine and release: `x86_64/6.12.95-cloud-amd64.btf`. */
export interface BtfTarget {
  /** As `uname -m` names it: x86_64 or aarch64. */
  readonly machine: string
  /** As `uname -r` names it. */
  readonly release: string
}

/** The folders that are searched where nothing is named: this machine's, then the container image's. */
export const btfFolders: readonly string[] = [defaults.btfDir, join(packageRoot, 'btf')]

export const btfFile = (folder: string, { machine: name, release: version }: BtfTarget): string =>
  join(folder, name, `${version}.btf`)

/**
 * - `sysfs`: the kernel's own file.
 * - `file`: a file that was named, or one of a folder.
 * - `kernel`: the kernel's own types without its file, which is hidden. The kernel may have none.
 * - `missing`: a file or a folder was named, and there is no such file, or none for this kernel in the folder.
 */
export type BtfChoice =
  | { readonly from: 'sysfs' | 'kernel' }
  | { readonly from: 'file' | 'missing'; readonly path: string }

/** The choice depends on these. */
export interface BtfSurroundings extends BtfTarget {
  readonly kind: (path: string) => 'file' | 'folder' | undefined
  /** Whether the kernel's own file is there and not masked, as by a bind mount of /dev/null. */
  readonly isKernelFileVisible: () => boolean
}

/** `given` is the file or folder that the user named. */
export function chooseBtf(
  given?: string,
  { kind, isKernelFileVisible, ...target }: BtfSurroundings = thisMachine(),
): BtfChoice {
  if (given !== undefined) {
    const path = kind(given) === 'folder' ? btfFile(given, target) : given
    return { from: kind(path) === 'file' ? 'file' : 'missing', path }
  }
  if (isKernelFileVisible()) return { from: 'sysfs' }
  const path = btfFolders.map((folder) => btfFile(folder, target)).find((one) => kind(one))
  return path === undefined ? { from: 'kernel' } : { from: 'file', path }
}

const BTF_MAGIC = 0xeb9f

function seesKernelFile(): boolean {
  try {
    const file = openSync(kernelBtfPath, 'r')
    try {
      const magic = new Uint16Array(1)
      return readSync(file, magic) === magic.byteLength && magic[0] === BTF_MAGIC
    } finally {
      closeSync(file)
    }
  } catch {
    return false
  }
}

const thisMachine = (): BtfSurroundings => ({
  machine: machine(),
  release: release(),
  kind: (path) => {
    const stats = statSync(path, { throwIfNoEntry: false })
    return stats && (stats.isDirectory() ? 'folder' : 'file')
  },
  isKernelFileVisible: seesKernelFile,
})

/** Where the types come from, for a person. */
export function wordsOfBtf(choice: BtfChoice): string {
  if ('path' in choice) return choice.path
  return choice.from === 'sysfs' ? kernelBtfPath : "the kernel's memory"
}

/** The words for a file that was named and is not there: half a sentence, and what makes one. */
export const missingBtf = (path: string): { readonly found: string; readonly mend: string } => ({
  found: `there is no BTF file ${path}`,
  mend:
    'meshaccel btf SOURCE --dir DIR makes DIR/MACHINE/RELEASE.btf from a vmlinux, a kernel package or a BTF file. ' +
    'Or leave --btf out: a kernel that can run the programs has its types.',
})
