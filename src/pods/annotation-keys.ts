/** The annotations that users write on pods and namespaces. */

/** The part of each key before the slash. */
export const annotationDomain = 'meshaccel.io'

const keys = [
  'enabled',
  'blocking-readers',
  'exclude-ports',
  'exclude-cidrs',
  'exclude-uids',
  'guard',
] as const

/** The part of a key behind the slash. */
export type AnnotationName = (typeof keys)[number]
export const annotationNames: readonly AnnotationName[] = keys

/** The whole key: `meshaccel.io/enabled`. */
export const annotationKey = <Name extends AnnotationName>(
  name: Name,
): `${typeof annotationDomain}/${Name}` => `${annotationDomain}/${name}`
