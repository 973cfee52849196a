/** Facts about the maps that BTF lacks. Their layouts are in generated.ts. */

import { type Reason, reasonNames } from '../generated-names.ts'

/** From linux/socket.h. */
export const AF_INET = 2
export const AF_INET6 = 10

/** The reason that a number of the kernel's stands for; `none` for one that this agent does not know. */
export function reasonName(code: number): Reason {
  return reasonNames[code] ?? 'none'
}
