// Numbers and durations in words. Unknown is a dash, never a zero.
import type { Num, Row, Time } from './types'

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })
const short = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 })
const three = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 3 })

export const dash = '—'

export const count = (n: Num) => (n === null ? dash : Math.abs(n) >= 1e8 ? short.format(n) : whole.format(n))

// Rates below a thousandth are noise.
export const rate = (n: Num) => (n === null ? dash : three.format(Math.abs(n) < 0.001 ? 0 : n))

export function slope(n: Num): string {
  if (n === null) return ''
  const text = rate(Math.abs(n))
  return text === '0' ? '0/s' : `${n > 0 ? '+' : '−'}${text}/s`
}

export function duration(seconds: Num): string {
  if (seconds === null) return dash
  const s = Math.max(0, seconds)
  if (s < 9.95) return `${Math.round(s * 10) / 10}s`
  const t = Math.round(s)
  if (t < 60) return `${t}s`
  if (t < 600) return `${Math.floor(t / 60)}m${t % 60 ? ` ${t % 60}s` : ''}`
  if (t < 3600) return `${Math.round(t / 60)}m`
  if (t < 86400) return pair(Math.round(t / 60), 60, 'h', 'm')
  return pair(Math.round(t / 3600), 24, 'd', 'h')
}

const pair = (n: number, per: number, big: string, small: string) =>
  `${Math.floor(n / per)}${big}${n % per ? ` ${n % per}${small}` : ''}`

// rough is one unit only: nobody needs the seconds of an uncertainty of minutes.
const rough = (s: number) => (s < 60 ? `${Math.round(s)}s` : s < 5400 ? `${Math.round(s / 60)}m` : `${Math.round(s / 3600)}h`)

export const ageOf = (at: Time, now: number): Num => (at === null ? null : Math.max(0, (now - Date.parse(at)) / 1000))

export const clockTime = (at: Time) => (at === null ? dash : new Date(at).toLocaleTimeString('en-GB'))

export const dateTime = (at: Time) => (at === null ? '' : new Date(at).toISOString())

// eta says when the lag is gone, in the one word or number that is true.
export function eta(r: Row): string {
  switch (r.state) {
    case 'growing':
    case 'stopped':
      return 'never'
    case 'stalled':
      return 'stalled'
  }
  const { p10, p50, p90 } = r.drain
  if (p50 === null) return dash
  const half = p10 === null || p90 === null ? 0 : (p90 - p10) / 2
  return duration(p50) + (half >= 0.5 ? ` ±${rough(half)}` : '')
}

// lagWord is the lag, or why there is no such number.
export function lagWord(r: Row): string {
  const { records, known, partitions, uncommitted } = r.lag
  if (records !== null) return count(records)
  if (partitions > 0 && uncommitted === partitions) return 'no commit yet'
  if (r.reason === 'denied') return 'hidden'
  return known === null ? 'unknown' : `≥ ${count(known)}`
}

export const plural = (n: number, word: string) => `${whole.format(n)} ${word}${n === 1 ? '' : 's'}`
