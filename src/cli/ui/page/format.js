const whole = new Intl.NumberFormat('en')

/** @param {number} value */
export const count = (value) => whole.format(value)

/**
 * @param {number} value
 * @param {string} noun
 */
export const counted = (value, noun) => `${count(value)} ${noun}${value === 1 ? '' : 's'}`

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/**
 * Formats as `81 MiB`, with at most three digits.
 * @param {number} value
 */
export function bytes(value) {
  let unit = 0
  let rest = value
  while (rest >= 1000 && unit < units.length - 1) {
    rest /= 1024
    unit += 1
  }
  const digits = unit === 0 || rest >= 10 ? 0 : 1
  return `${rest.toFixed(digits)} ${units[unit]}`
}

/** @param {number} perSecond */
export const rate = (perSecond) => (perSecond < 1 ? '0' : `${bytes(perSecond)}/s`)

/**
 * Formats as `93 %`; never 100 % if any byte took the other path.
 * @param {number} share from 0 to 1
 */
export function percent(share) {
  const hundredths = share * 100
  if (hundredths > 0 && hundredths < 1) return 'under 1 %'
  if (hundredths < 99 || share === 1) return `${Math.floor(hundredths)} %`
  return `${Math.min(Math.floor(hundredths * 10) / 10, 99.9)} %`
}

/**
 * Formats as `85 µs`, with at least two digits.
 * @param {number} us
 */
export function duration(us) {
  const [value, unit] = us < 1000 ? [us, 'µs'] : us < 1e6 ? [us / 1000, 'ms'] : [us / 1e6, 's']
  return `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`
}

/** @param {number} ms */
export function age(ms) {
  const seconds = Math.floor(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} days`
}

/** The name for all ends outside enrolled pods of this node. No pod can have it. */
export const elsewhere = 'elsewhere'

/**
 * @param {string | undefined} pod absent if the end is not in an enrolled pod of this node
 */
export function podName(pod) {
  if (pod === undefined) return elsewhere
  return pod || 'a pod that is gone'
}
