// A group's charts: where its lag came from, what happened on the way, where it goes.
import { useEffect, useMemo, useState } from 'preact/hooks'
import { useLocation } from 'preact-iso'
import { Chart, roomFor, type Ahead } from './chart'
import { count, duration, eta, lagWord, rate } from './format'
import { ranges, selector, usePast } from './history'
import { eventsIn, kept, marksOf } from './marks'
import { seenAt } from './store'
import { typing, useSetQuery } from './table'
import type { Event, Group, GroupDetail, Num } from './types'
import { states } from './words'

// The series that are drawn, in the order of useLive's values.
const drawn = ['tidemark_group_lag_records', 'tidemark_group_arrivals_per_second', 'tidemark_group_consumption_per_second', 'tidemark_group_lag_seconds']

// useCourse is a group's way over the range that the URL names: series, what
// happened, where it goes. Charts and the export of an incident draw the same.
export function useCourse(g: Group, d: GroupDetail, until: number | null) {
  const { query } = useLocation()
  const range = query.range in ranges ? query.range : '15m'
  const labels = selector(g, `__name__=~"${[...drawn, ...kept].join('|')}",alertstate!="pending"`)
  const past = usePast([`max by (__name__, alertname, state) (${labels})`], ranges[range], until)
  const { times, values } = useLive(past, g, until === null)
  const read = useMemo(() => eventsIn({ cluster: g.cluster, group: g.group }, past.times, past.series[0] ?? []), [past])
  const events = useMemo(() => together(until === null ? d.events : [], read), [d.events, read, until])
  const tone = states[g.state].tone
  const ahead = until === null ? aheadOf(g) : undefined
  return {
    range, times, events, error: past.error, whole: past.times.length > 0 || past.error !== '', ahead, to: roomFor(ranges[range], ahead),
    lag: useMemo(() => [{ name: 'lag', tone: tone === 'grey' ? 'muted' : tone, values: values[0] }], [values, tone]),
    flow: useMemo(() => [{ name: 'in', tone: 'accent', values: values[1] }, { name: 'out', tone: 'ok', dashed: true, values: values[2] }], [values]),
    wait: useMemo(() => [{ name: 'time lag', tone: tone === 'grey' ? 'muted' : tone, values: values[3] }], [values, tone]),
    marks: useMemo(() => marksOf(events), [events]),
    limits: useMemo(() => limitsOf(d.thresholds.lagRecords, count), [d.thresholds.lagRecords]),
    waitLimits: useMemo(() => limitsOf(d.thresholds.timeLag, duration), [d.thresholds.timeLag]),
  }
}

export type Course = ReturnType<typeof useCourse>

// together puts what the process saw itself behind what history tells of the time before.
function together(seen: Event[], read: Event[]): Event[] {
  const first = seen.reduce((a, e) => (e.at !== null && e.at < a ? e.at : a), '9999')
  return [...seen, ...read.filter(e => e.at! < first)]
}

export function Charts({ g, course: c }: { g: Group; course: Course }) {
  return (
    <section>
      <div class="tools">
        <h2>Lag</h2><span class="grow" /><Ranges at={c.range} />
      </div>
      {c.error && <p class="problem">No history: {c.error} The line begins now.</p>}
      <Chart times={c.times} lines={c.lag} limits={c.limits} marks={c.marks} ahead={c.ahead} to={c.to} fill label={`Lag over ${c.range}, at the end ${lagWord(g)}, ${states[g.state].word}, gone in: ${eta(g)}`} />
      <div class="pair">
        <div>
          <h2>Time lag <small class="muted">how long the oldest unread record has waited</small></h2>
          <Chart times={c.times} lines={c.wait} limits={c.waitLimits} marks={c.marks} to={c.to} height={140} says={duration} label={`Time lag over ${c.range}, at the end ${duration(g.timeLag.seconds)}`} />
        </div>
        <div>
          <h2>Rates <small class="muted">records per second: <span class="key accent">in</span> <span class="key ok dashed">out</span></small></h2>
          <Chart times={c.times} lines={c.flow} marks={c.marks} to={c.to} height={140} label={`Records per second, at the end ${rate(g.arrivals.perSecond)} in and ${rate(g.consumption.perSecond)} out`} />
        </div>
      </div>
    </section>
  )
}

// useLive adds what the stream has brought since history was asked.
function useLive(past: ReturnType<typeof usePast>, g: Group, live: boolean) {
  const [points, setPoints] = useState<[number, (number | null)[]][]>([])
  const at = Math.round(Date.parse(seenAt(g) ?? '') / 1000)
  useEffect(() => setPoints([]), [g.cluster, g.group])
  useEffect(() => {
    if (!live || !Number.isFinite(at)) return
    setPoints(before => [...before.filter(([t]) => t < at).slice(-600), [at, [g.fresh ? g.lag.records : null, g.arrivals.perSecond, g.consumption.perSecond, g.timeLag.seconds]]])
  }, [at, g, live])
  return useMemo(() => {
    const last = past.times.at(-1) ?? 0
    const later = live ? points.filter(([t]) => t > last) : []
    const times = [...past.times, ...later.map(([t]) => t)]
    const values = drawn.map((name, i) => [...(past.series[0]?.find(s => s.metric.__name__ === name)?.values ?? past.times.map(() => null)), ...later.map(([, v]) => v[i])])
    // What was before the first look is not drawn: a minute after the start the
    // minute is worth seeing, not the void before it.
    const first = Math.max(0, times.findIndex((_, i) => values.some(v => v[i] !== null)))
    return { times: times.slice(first), values: values.map(v => v.slice(first)) }
  }, [past, points, live])
}

// limitsOf draws the pipeline's threshold and, as the seed's dashboard does with
// 500 and 1,000, twice that as critical.
const limitsOf = (at: Num, says: (n: Num) => string) => (at === null ? [] : [{ at, tone: 'warn', name: says(at) }, { at: 2 * at, tone: 'crit', name: says(2 * at) }])

function aheadOf(g: Group): Ahead | undefined {
  const at = Date.parse(seenAt(g) ?? '') / 1000
  if (g.lag.records === null || !Number.isFinite(at) || g.lag.records === 0) return undefined
  if (g.state === 'draining') return { at, from: g.lag.records, ...g.drain, slope: null }
  if (g.state === 'growing' || g.state === 'stopped') return { at, from: g.lag.records, p10: null, p50: null, p90: null, slope: g.slope }
  return undefined
}

export function Ranges({ at }: { at: string }) {
  const setQuery = useSetQuery()
  const names = Object.keys(ranges)
  useEffect(() => {
    const pressed = (e: KeyboardEvent) => {
      if (typing(e) || (e.key !== '[' && e.key !== ']')) return
      const to = names[names.indexOf(at) + (e.key === ']' ? 1 : -1)]
      if (to) setQuery('range', to)
    }
    addEventListener('keydown', pressed)
    return () => removeEventListener('keydown', pressed)
  }, [at])
  return (
    <div class="choice" role="group" aria-label="Time range">
      {names.map(name => <button key={name} type="button" aria-pressed={name === at} onClick={() => setQuery('range', name)}>{name}</button>)}
    </div>
  )
}
