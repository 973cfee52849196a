import { byId, setText } from './dom.js'
import { headlineOf, showHeadline, showTraffic } from './headline.js'
import { HopTable } from './hops.js'
import { LatencyTable } from './latency.js'
import { NodeMap } from './map.js'
import { OtherPods, Readers, Reasons } from './reasons.js'
import { Samples } from './samples.js'
import { SelfTest } from './self-test.js'

/** @import { ErrorData, PageData } from '../page-types.ts' */

const intervalMs = 1000
/** The page may take at most a tenth of the agent's time. */
const restPerWork = 9
const patienceMs = 10_000

const samples = new Samples()
const hops = new HopTable(samples)
const map = new NodeMap(samples, (pod) => hops.filter(pod))
const parts = [new Reasons(), new OtherPods(), new Readers(), new SelfTest(), new LatencyTable()]

/** @param {PageData} data */
function show(data) {
  samples.add(data)
  showHeadline(data, samples)
  showTraffic(data, samples)
  byId('node-parts').hidden = false
  map.update(data)
  hops.update(data)
  for (const part of parts) part.update(data)
  announce(data)
}

let announcedMs = -Infinity
let announcedShare = NaN

/** Announces changes to screen readers, but not every second. @param {PageData} data */
function announce(data) {
  const { text, share = 0 } = headlineOf(data, samples)
  const { state } = data.overview.status
  const area = byId('announce')
  const isOther = area.dataset['state'] !== state
  const hasMoved = !(Math.abs(share - announcedShare) < 0.05)
  if (!isOther && (!hasMoved || performance.now() - announcedMs < 15_000)) return
  area.dataset['state'] = state
  announcedMs = performance.now()
  announcedShare = share
  setText(area, text.join(''))
}

/** @type {string | undefined} */
let lostSince

/** @param {ErrorData} error */
function showLoss({ error, hint }) {
  if (lostSince !== undefined) return
  lostSince = new Date().toLocaleTimeString()
  setText(byId('announce'), 'The agent does not answer.')
  setText(byId('pulse'), `no answer since ${lostSince}`)
  byId('pulse').title = [error, hint].filter(Boolean).join('. ')
}

let paused = false
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer
let asking = false

async function tick() {
  clearTimeout(timer)
  if (paused || document.hidden || asking) return
  asking = true
  const data = await ask()
  asking = false
  document.body.classList.toggle('lost', data === undefined)
  if (data) {
    lostSince = undefined
    show(data)
  }
  showPulse()
  timer = setTimeout(() => void tick(), Math.max(intervalMs, (data?.tookMs ?? 0) * restPerWork))
}

/** @returns {Promise<PageData | undefined>} undefined if there is no answer */
async function ask() {
  try {
    const response = await fetch('api/overview', { signal: AbortSignal.timeout(patienceMs) })
    if (response.ok) return await response.json()
    showLoss(await response.json())
  } catch (error) {
    showLoss({ error: error instanceof Error ? error.message : String(error) })
  }
  return undefined
}

function showPulse() {
  const pulse = byId('pulse')
  const state = paused ? 'paused' : lostSince === undefined ? 'live' : 'lost'
  pulse.className = `pulse ${state}`
  if (state !== 'lost') {
    setText(pulse, state)
    pulse.title = ''
  }
}

const pause = byId('pause')
pause.addEventListener('click', () => {
  paused = !paused
  setText(pause, paused ? 'Go on' : 'Pause')
  showPulse()
  void tick()
})
document.addEventListener('visibilitychange', () => void tick())
void tick()
