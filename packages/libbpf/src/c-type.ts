/** The types of C as BTF has them. */

/** A member of a struct or union as BTF has it: its place in bits. */
export interface CMember {
  readonly name: string
  readonly type: number
  readonly bitOffset: number
  /** 0 unless it is a bit field. */
  readonly bits: number
}

/** A type of C; other types are named by their number in the BTF. */
export type CType =
  | ({ readonly kind: 'int'; readonly name: string; readonly size: number } & IntFacts)
  | { readonly kind: 'pointer'; readonly to: number }
  | { readonly kind: 'array'; readonly element: number; readonly length: number }
  | { readonly kind: 'typedef'; readonly name: string; readonly of: number }
  | {
      readonly kind: 'struct' | 'union'
      readonly name: string
      readonly size: number
      readonly members: readonly CMember[]
    }
  | {
      readonly kind: 'enum'
      readonly name: string
      readonly size: number
      /** Before clang 15 never: negative constants are large ones there. */
      readonly isSigned: boolean
      /** An enum of 64 bits of which only 32 are there: clang before 15. */
      readonly isCut: boolean
      readonly constants: readonly (readonly [name: string, value: bigint])[]
    }
  | { readonly kind: 'other'; readonly name: string; readonly size: number }

interface IntFacts {
  readonly isSigned: boolean
  readonly isBool: boolean
  /** As wide as size says, unless it is a bit field. */
  readonly bits: number
}
