import { readFileSync, realpathSync } from 'node:fs'

/**
 * Where a directory that is a mount of its own, as in a container, now lies in its file system. It changes when the
 * host renames or removes the directory: then the mount no longer shows what the host has under that name. Undefined
 * for a directory that is no mount.
 */
export function mountRootOf(directory: string): string | undefined {
  const path = realpathSync(directory)
  const mount = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .findLast(([, , , , point]) => point !== undefined && unescape(point) === path)
  return mount?.[3]
}

/** Space, tab, line feed and backslash are octal in mountinfo. */
function unescape(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, code: string) =>
    String.fromCharCode(Number.parseInt(code, 8)),
  )
}
