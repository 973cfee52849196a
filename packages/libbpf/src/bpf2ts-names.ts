/** The names that bpf2ts gives to what C has named. */

/** `netns_cookie` is `netnsCookie`. */
export function camelCase(name: string): string {
  const [first = '', ...more] = name.split('_').filter(Boolean)
  const camel = lowerFirst(first) + more.map(upperFirst).join('')
  return /^\d/.test(camel) ? `_${camel}` : camel
}

/** `flow_end` is `FlowEnd`. */
export const pascalCase = (name: string): string => upperFirst(camelCase(name))

const lowerFirst = (word: string): string =>
  word === word.toUpperCase() ? word.toLowerCase() : word.charAt(0).toLowerCase() + word.slice(1)
const upperFirst = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1)

/** `pad`, `__pad2`, `padding`: nothing that a program reads. */
export const isPadding = (name: string): boolean => /^_*pad(?:ding)?_?\d*$/.test(name)

/** Names that no constant of a module may have: words of TypeScript, and the imports of a written module. */
const taken = new Set(
  (
    'array bool bytes describeMap i16 i32 i64 i8 struct structAt text u16 u16Be u32 u32Be u64 u64Be u8 ' +
    'arguments await break case catch class const continue debugger default delete do else enum eval export extends ' +
    'false finally for function if implements import in instanceof interface let new null package private protected ' +
    'public return static super switch this throw true try typeof undefined var void while with yield'
  ).split(' '),
)

/** The constant that is the codec of a struct. */
export function codecName(struct: string): string {
  const name = camelCase(struct)
  return taken.has(name) ? `${name}Codec` : name
}

/** A key of an object literal. */
export const keyOf = (name: string): string =>
  /^[A-Za-z_$][\w$]*$/.test(name) ? name : `'${name}'`

export interface EnumNames {
  /** The common beginning of all constants; may be empty. */
  readonly prefix: string
  /** In kebab case, without the prefix, in the order of the values. */
  readonly values: readonly (readonly [name: string, value: bigint])[]
}

/**
 * REASON_CAP_BYTES of enum reason is `cap-bytes`. A last constant that is called like the enum itself, in the plural, and
 * counts the others (REASONS) is none of them.
 */
export function enumNames(
  name: string,
  constants: readonly (readonly [name: string, value: bigint])[],
): EnumNames {
  const sorted = constants.toSorted(([, one], [, other]) => Number(one - other))
  const last = sorted.at(-1)
  const counts = last?.[0] === `${name.toUpperCase()}S` && last[1] === BigInt(sorted.length - 1)
  const real = counts ? sorted.slice(0, -1) : sorted
  const prefix = commonPrefix(real.map(([constant]) => constant))
  const kebab = (constant: string): string =>
    constant.slice(prefix.length).toLowerCase().replaceAll('_', '-')
  return { prefix, values: real.map(([constant, value]) => [kebab(constant), value] as const) }
}

/** Up to an underscore, which all of them go on after. */
function commonPrefix([first = '', ...more]: readonly string[]): string {
  let length = first.lastIndexOf('_') + 1
  while (length > 0 && !more.every((name) => name.startsWith(first.slice(0, length)))) {
    length = first.lastIndexOf('_', length - 2) + 1
  }
  return first.slice(0, length)
}
