// Time travel: with ?at= in the URL, pages show what history has kept of that moment.
import { useEffect, useMemo, useState } from 'preact/hooks'
import { useLocation } from 'preact-iso'
import { ageOf, duration, plural } from './format'
import { instant, selector, type Sample } from './history'
import { groupOf, now } from './store'
import { useSetQuery } from './table'
import type { Alert, Group, Lag, Name, Num, Partition, State, Summary } from './types'
import { states } from './words'

// useMoment is the moment that the page is about, in unix seconds; null: now.
export function useMoment(): number | null {
  const at = Date.parse(useLocation().query.at ?? '')
  return Number.isFinite(at) ? at / 1000 : null
}

const steps: [number, string][] = [[-3600, '−1h'], [-300, '−5m'], [-60, '−1m'], [60, '+1m'], [300, '+5m'], [3600, '+1h']]

// MomentRibbon marks a page as one about the past, and moves it through time.
export function MomentRibbon() {
  const at = useMoment()
  const set = useSetQuery()
  if (at === null) return null
  const go = (to: number) => set('at', to * 1000 < Date.now() ? new Date(to * 1000).toISOString() : '')
  const local = new Date(at * 1000 - new Date(at * 1000).getTimezoneOffset() * 60_000).toISOString().slice(0, 19)
  return (
    <aside class="ribbon past" aria-label="Time travel">
      <b>The past: {new Date(at * 1000).toLocaleString('sv-SE')}</b>
      <span>{duration(ageOf(new Date(at * 1000).toISOString(), now.value))} ago, as history has kept it. Nothing here is live.</span>
      <div class="choice" role="group" aria-label="Move in time">
        {steps.map(([by, says]) => <button key={says} type="button" onClick={() => go(at + by)}>{says}</button>)}
      </div>
      <input type="datetime-local" step="1" aria-label="Moment to show" value={local} onChange={e => { const t = Date.parse(e.currentTarget.value); if (t) go(t / 1000) }} />
      <button type="button" onClick={() => set('at', '')}>Back to now</button>
    </aside>
  )
}

export interface Moment {
  summary: Summary
  groups: Group[]
}

const families = 'lag_records|lag_known_records|complete|lag_seconds|lag_seconds_error|arrivals_per_second|consumption_per_second|replica_capacity_per_second|replicas|replicas_needed|replicas_useful|partitions_needed|skew_ratio|drain_seconds'

// useInstants asks each query at a moment; without one it asks nothing.
function useInstants(queries: string[], at: number | null) {
  const [answers, set] = useState<Sample[][] | null>(null)
  const [error, setError] = useState('')
  const all = queries.join('\n')
  useEffect(() => {
    set(null)
    setError('')
    if (at === null) return
    const stop = new AbortController()
    Promise.all(queries.map(q => instant(q, at, stop.signal))).then(set).catch(err => stop.signal.aborted || setError(String(err.message)))
    return () => stop.abort()
  }, [at, all])
  return { answers, error }
}

// usePastGroups asks history for every group at a moment.
export function usePastGroups(at: number | null) {
  const queries = [`{__name__=~"tidemark_group_(${families})"}`, 'tidemark_group_state == 1', 'kafka_consumergroup_members', 'ALERTS']
  const { answers, error } = useInstants(queries, at)
  return { moment: useMemo(() => (answers && at !== null ? momentOf(at, answers) : null), [answers]), error }
}

// usePastGroup asks history for one group: its row, its partitions and alerts.
export function usePastGroup(at: number | null, name: Name) {
  const of = selector(name)
  const queries = [
    `{__name__=~"tidemark_group_(${families})",${of.slice(1)}`, `tidemark_group_state${of} == 1`, `kafka_consumergroup_members${of}`, `ALERTS${of}`,
    `kafka_consumergroup_lag${of}`, `kafka_consumergroup_current_offset${of}`, `tidemark_partition_lag_seconds${of}`, `tidemark_partition_state${of}`,
  ]
  const { answers, error } = useInstants(queries, at)
  const past = useMemo(() => answers && at !== null && {
    group: momentOf(at, answers).groups[0] ?? nothing(name), partitions: partitionsOf(answers.slice(4)), alerts: alertsOf(answers[3]),
  }, [answers])
  return { past: past || null, error }
}

const unknownRate = { perSecond: null, error: null }

// nothing is a group of which history has kept nothing.
const nothing = (n: Name): Group => ({
  ...n, type: '', phase: '', state: 'unknown', since: null, because: '', reason: '', fresh: false, observedAt: null,
  lag: { records: null, known: null, complete: false, partitions: 0, missing: 0, uncommitted: 0, uncommittedRecords: 0, lost: 0 },
  timeLag: { seconds: null, error: null }, arrivals: unknownRate, consumption: unknownRate, slope: null,
  drain: { p10: null, p50: null, p90: null }, replicas: { have: null, needed: null, useful: null, partitionsNeeded: null },
  replicaCapacity: unknownRate, headroom: null, skew: null, members: null, alerts: 0, trend: [],
  // Who owns a group is written in the configuration, and only today's is known.
  pipeline: groupOf(n)?.pipeline ?? '', owner: groupOf(n)?.owner ?? '',
})

function momentOf(at: number, [values, stateOf, members, alerts]: Sample[][]): Moment {
  const groups = new Map<string, Group>()
  const of = (s: Sample) => {
    const n = { cluster: s.metric.cluster ?? '', group: s.metric.consumergroup ?? '' }
    const key = `${n.cluster}\u0000${n.group}`
    if (!groups.has(key)) groups.set(key, nothing(n))
    return groups.get(key)!
  }
  for (const s of stateOf) of(s).state = s.metric.state as State
  for (const s of values) take(of(s), s)
  for (const s of members) of(s).members = s.value
  for (const s of alerts) if (s.metric.consumergroup && s.metric.alertstate === 'firing') of(s).alerts++
  for (const g of groups.values()) {
    const { arrivals: a, consumption: c } = g
    g.slope = a.perSecond === null || c.perSecond === null ? null : a.perSecond - c.perSecond
    g.observedAt = new Date(at * 1000).toISOString()
  }
  const all = [...groups.values()]
  return { summary: summaryOf(at, all, alerts), groups: all }
}

// take puts one series' value where the row has it.
function take(g: Group, { metric, value }: Sample) {
  switch (metric.__name__.replace('tidemark_group_', '')) {
    case 'lag_records': g.lag.records = value; break
    case 'lag_known_records': g.lag.known = value; break
    case 'complete': g.lag.complete = value === 1; break
    case 'lag_seconds': g.timeLag.seconds = value; break
    case 'lag_seconds_error': g.timeLag.error = value; break
    case 'arrivals_per_second': g.arrivals = { perSecond: value, error: null }; break
    case 'consumption_per_second': g.consumption = { perSecond: value, error: null }; break
    case 'replica_capacity_per_second': g.replicaCapacity = { perSecond: value, error: null }; break
    case 'replicas': g.replicas.have = value; break
    case 'replicas_needed': g.replicas.needed = value; break
    case 'replicas_useful': g.replicas.useful = value; break
    case 'partitions_needed': g.replicas.partitionsNeeded = value; break
    case 'skew_ratio': g.skew = value; break
    case 'drain_seconds': g.drain[({ '0.1': 'p10', '0.5': 'p50', '0.9': 'p90' } as const)[metric.quantile as '0.5']] = value; break
  }
}

function summaryOf(at: number, groups: Group[], alerts: Sample[]): Summary {
  const count: Record<string, number> = {}
  for (const g of groups) count[g.state] = (count[g.state] ?? 0) + 1
  const slowest = groups.reduce<Group | null>((a, g) => (g.timeLag.seconds !== null && g.timeLag.seconds > (a?.timeLag.seconds ?? -1) ? g : a), null)
  const worst = groups.reduce<Group | null>((a, g) => (!a || states[g.state].severity > states[a.state].severity ? g : a), null)
  const failing = groups.filter(g => states[g.state].severity === 3).length
  const severity = (...of: string[]) => alerts.filter(s => s.metric.alertstate === 'firing' && of.includes(s.metric.severity ?? '')).length
  return {
    apiVersion: '', kind: '', sequence: 0, observedAt: new Date(at * 1000).toISOString(), version: '', demo: false,
    verdict: {
      level: groups.length === 0 ? 'unknown' : failing ? 'failing' : 'ok',
      text: groups.length === 0 ? 'History has kept nothing of this moment.' : failing ? `${failing} of ${plural(groups.length, 'group')} would not catch up.` : `None of ${plural(groups.length, 'group')} failed to keep up.`,
      worst: worst && failing ? { cluster: worst.cluster, group: worst.group } : { cluster: '', group: '' },
    },
    groups: groups.length, states: count, lag: totalOf(groups), timeLag: slowest?.timeLag ?? { seconds: null, error: null },
    timeLagUnknown: groups.filter(g => g.timeLag.seconds === null).length, slowest: slowest ?? { cluster: '', group: '' },
    alerts: { critical: severity('critical'), warning: severity('warning'), other: severity('', 'info', 'none'), pending: alerts.filter(s => s.metric.alertstate === 'pending').length },
    clusters: [], events: [], errors: [],
  }
}

// totalOf adds up; a sum with an unknown in it is not the whole.
function totalOf(groups: Group[]): Lag {
  const sum = (values: Num[]) => values.reduce<number>((a, v) => a + (v ?? 0), 0)
  const complete = groups.length > 0 && groups.every(g => g.lag.records !== null)
  const known = groups.some(g => g.lag.known !== null) ? sum(groups.map(g => g.lag.known)) : null
  return { records: complete ? sum(groups.map(g => g.lag.records)) : null, known, complete, partitions: 0, missing: 0, uncommitted: 0, uncommittedRecords: 0, lost: 0 }
}

function partitionsOf([lags, commits, ages, stated]: Sample[][]): Partition[] {
  const all = new Map<string, Partition>()
  const of = ({ metric: { topic, partition } }: Sample) => {
    const key = `${topic}/${partition}`
    if (!all.has(key)) {
      all.set(key, {
        topic, id: Number(partition), state: 'unknown', reason: '', logStart: null, committed: null, logEnd: null, lag: null, lost: null, leader: null,
        observedAt: null, heldSince: null, stable: null, timeLag: { seconds: null, error: null }, arrivals: unknownRate, consumption: unknownRate, owner: '',
      })
    }
    return all.get(key)!
  }
  for (const s of lags) of(s).lag = s.value
  for (const s of commits) of(s).committed = s.value
  for (const s of ages) of(s).timeLag.seconds = s.value
  for (const s of stated) Object.assign(of(s), { state: s.metric.state, reason: s.metric.reason ?? '' })
  return [...all.values()]
}

const alertsOf = (active: Sample[]): Alert[] => active.map(({ metric: { __name__: _, alertstate, ...labels } }) => ({
  name: labels.alertname ?? '', state: alertstate as Alert['state'], severity: labels.severity ?? '', labels, annotations: {}, value: null,
  activeSince: null, firedAt: null, resolvedAt: null, dataMissingSince: null,
}))
