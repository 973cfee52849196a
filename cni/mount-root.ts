import { readFileSync, realpathSync } from 'node:fs'

/**
 * The path of a mounted directory within its file system; undefined if the directory is not a mount. A container mounts
 * the host's directory. The path changes when the host renames or removes the directory. Then the mount no longer shows
 * the host's directory of that name.
 */
export function mountRootOf(directory: string): string | undefined {
  const path = realpathSync(directory)
  const mount = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .findLast(([, , , , point]) => point !== undefined && unescape(point) === path)
  return mount?.[3]
}

/** mountinfo writes space, tab, line feed and backslash in octal. */
function unescape(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, code: string) =>
    String.fromCharCode(Number.parseInt(code, 8)),
  )
}
