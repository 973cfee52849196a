import { byId, element, setAttribute, setProse, setText } from './dom.js'
import { bytes, count, counted, percent, rate } from './format.js'
import { totalOf } from './samples.js'

/**
 * @import { PageData, Status } from '../page-types.ts'
 * @import { Sample, Samples } from './samples.js'
 */

const minuteMs = 60_000
/** Below this traffic the share means nothing. */
const leastBytes = 1000

/**
 * The sentence that says whether the product has any effect.
 * @param {PageData} data
 * @param {Samples} samples
 * @returns {{ readonly text: readonly [string, string?, string?], readonly share?: number }} the middle part is
 *   emphasised; `share` is the share of redirected bytes, if there is traffic
 */
export function headlineOf(data, samples) {
  const { status } = data.overview
  if (status.state === 'refused') return { text: ['Refused on this kernel: everything takes TCP'] }
  if (status.state === 'disabled') return { text: ['Switched off: everything takes TCP'] }
  if (status.state === 'draining') {
    const { joined } = status.connections
    return { text: ['Draining: ', counted(joined, 'connection'), ' to go'] }
  }
  if (status.pods.enrolled === 0) return { text: ['Ready, but no pod is enrolled'] }
  const { fast, tcp } = samples.hasRates ? samples.recent(minuteMs) : totalOf(data)
  if (fast + tcp < leastBytes) return { text: ['Accelerating: no traffic just now'] }
  const share = fast / (fast + tcp)
  return { text: ['Accelerating: ', percent(share), ' of bytes on the fast path'], share }
}

/**
 * The next step if something is wrong.
 * @param {Status} status
 */
function adviceOf({ state, refusedBecause, pods, source, podsFileError }) {
  if (state === 'refused') {
    return `Because ${refusedBecause ?? 'the self-test failed'}. \`meshaccel doctor\` shows every probe.`
  }
  if (podsFileError !== undefined) {
    return `The pods file is wrong, so its last good content applies: ${podsFileError}`
  }
  if (source.error !== undefined) {
    return `The pods are not told any more (${source.error}); the last ones count.`
  }
  if (!source.synced) return `Waiting for the first pods of ${source.name}.`
  if (state === 'disabled' || state === 'draining') {
    return '`meshaccel resume` switches redirecting on again.'
  }
  if (pods.enrolled > 0) return ''
  return pods.seen === 0
    ? 'The agent sees no pods on this node.'
    : 'Set `meshaccel.io/enabled: "true"` on a namespace or a pod with a sidecar; why each is not enrolled stands below.'
}

/**
 * @param {PageData} data
 * @param {Samples} samples
 */
export function showHeadline(data, samples) {
  const { status } = data.overview
  const { text, share } = headlineOf(data, samples)
  const headline = byId('headline')
  if (headline.textContent !== text.join('')) {
    const [before, middle, after] = text
    headline.replaceChildren(before)
    if (middle) headline.append(element('strong', '', middle), after ?? '')
  }
  document.title = `${share === undefined ? status.state : `${percent(share)} fast`} · ${data.node} · meshaccel`
  setText(byId('node'), data.node)

  const { pods, connections } = status
  const enrolled =
    pods.seen > pods.enrolled
      ? `${count(pods.enrolled)} of ${counted(pods.seen, 'pod')} enrolled`
      : `${counted(pods.enrolled, 'pod')} enrolled`
  const parts = [
    enrolled,
    `${counted(connections.now, 'connection')}, ${count(connections.engaged)} of them engaged`,
  ]
  if (samples.hasRates) {
    const { fast, tcp, seconds } = samples.recent(5000)
    parts.push(`${rate((fast + tcp) / seconds)} in all`)
  }
  setText(byId('subline'), status.pods.seen === 0 ? '' : parts.join(' · '))
  const advice = byId('advice')
  setProse(advice, adviceOf(status))
  advice.hidden = advice.textContent === ''
}

const width = 300
const height = 60

/**
 * The chart of five minutes of traffic, and its totals in words.
 * @param {PageData} data
 * @param {Samples} samples
 */
export function showTraffic(data, samples) {
  const total = totalOf(data)
  byId('traffic').hidden = total.fast + total.tcp === 0
  const words = [`so far ${bytes(total.fast)} fast and ${bytes(total.tcp)} by TCP`]
  if (samples.hasRates) {
    const { fast, tcp, seconds } = samples.recent(5000)
    words.unshift(`Now ${rate(fast / seconds)} fast and ${rate(tcp / seconds)} by TCP`)
  }
  setText(byId('traffic-words'), words.join('; '))
  const { history } = samples
  const peak = Math.max(...history.map(({ fast, tcp, seconds }) => (fast + tcp) / seconds), 1)
  setText(byId('peak'), history.length > 1 ? `peak ${rate(peak)}` : '')
  const endMs = history.at(-1)?.atMs ?? 0
  const bars = (/** @type {(sample: Sample) => number} */ valueOf) =>
    history
      .map((sample) => {
        const right = width - (endMs - sample.atMs) / 1000
        const top = height - (valueOf(sample) / sample.seconds / peak) * height
        return `M${(right - sample.seconds).toFixed(1)} ${height}V${top.toFixed(1)}H${right.toFixed(1)}V${height}Z`
      })
      .join('')
  setAttribute(
    byId('chart-fast'),
    'd',
    bars(({ fast }) => fast),
  )
  setAttribute(
    byId('chart-tcp'),
    'd',
    bars(({ fast, tcp }) => fast + tcp),
  )
}
