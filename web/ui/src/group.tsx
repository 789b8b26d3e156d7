// Why, how long, and who?
import { useEffect, useMemo, useState } from 'preact/hooks'
import { useLocation, useRoute } from 'preact-iso'
import { AlertTable } from './alerts'
import { Chart, roomFor, type Ahead } from './chart'
import { count, dash, duration, eta, lagWord, plural, rate, slope } from './format'
import { ranges, usePast } from './history'
import { Replicas } from './overview'
import { Planner, WhatToDo } from './plan'
import { api, groupOf, seenAt, summary } from './store'
import { Table, typing, useSetQuery, type Column } from './table'
import type { Group, GroupDetail, Member, Name, Partition } from './types'
import { At, Copies, Errors, shellWord, Since, states, StateWord } from './words'

export function GroupPage() {
  const { params } = useRoute()
  const name = { cluster: params.cluster, group: params.group }
  const { detail, error } = useDetail(name)
  if (!detail) return <p class="wait">{error || 'Asking the server…'}</p>
  const live = groupOf(name) ?? detail.group
  return (
    <>
      <Head g={live} detail={detail} />
      {error && <p class="problem">{error} What follows is what was seen last.</p>}
      <Facts g={live} d={detail} />
      <WhatToDo x={detail.explanation} />
      <History g={live} d={detail} />
      <Planner d={detail} />
      <Partitions d={detail} />
      <Members d={detail} />
      {detail.alerts.length > 0 && <section><h2>Alerts</h2><AlertTable alerts={detail.alerts} /></section>}
      <Errors errors={detail.errors} />
      {detail.events.length > 0 && (
        <section class="events">
          <h2>Events</h2>
          <ol>{detail.events.map((e, i) => <li key={`${e.at}${i}`}><At at={e.at} /> <span class="muted">{e.kind}</span> {e.text}</li>)}</ol>
        </section>
      )}
      <Elsewhere name={name} />
    </>
  )
}

// useDetail asks again whenever the stream brings a newer View.
function useDetail({ cluster, group }: Name) {
  const [detail, setDetail] = useState<GroupDetail | null>(null)
  const [error, setError] = useState('')
  const sequence = summary.value?.sequence ?? 0
  useEffect(() => setDetail(null), [cluster, group])
  useEffect(() => {
    const stop = new AbortController()
    api<GroupDetail>(`/groups/${encodeURIComponent(cluster)}/${encodeURIComponent(group)}`, stop.signal)
      .then(d => { setDetail(d); setError('') })
      .catch(err => stop.signal.aborted || setError(String(err.message)))
    return () => stop.abort()
  }, [cluster, group, sequence])
  return { detail, error }
}

function Head({ g, detail }: { g: Group; detail: GroupDetail }) {
  const tone = states[g.state].tone
  return (
    <section class={`verdict ${tone}`}>
      <nav class="crumbs" aria-label="Breadcrumb"><a href="/">Overview</a> / {g.cluster}</nav>
      <h1>{g.group} <StateWord state={g.state} reason={g.reason} /> <span class="slope">{slope(g.slope)}</span></h1>
      <p>
        {g.because && `${g.because.replace(/\.$/, '')}. `}
        <span class="muted">For <Since at={g.since} />{detail.thresholds.pipeline && <>, pipeline {detail.thresholds.pipeline}</>}.</span>
      </p>
    </section>
  )
}

function Facts({ g, d }: { g: Group; d: GroupDetail }) {
  return (
    <dl class="facts">
      <Fact name="Lag" value={lagWord(g)} note={g.lag.complete ? plural(g.lag.partitions, 'partition') : `${count(g.lag.missing)} of ${plural(g.lag.partitions, 'partition')} not seen`} />
      <Fact name="Time lag" value={duration(g.timeLag.seconds)} note={g.timeLag.error ? `± ${duration(g.timeLag.error)}` : 'oldest unread record'} />
      <Fact name="In → out" value={<>{rate(g.arrivals.perSecond)} → {rate(g.consumption.perSecond)}</>} note="records per second" />
      <Fact name="ETA" value={eta(g)} note={g.drain.p50 === null ? 'until the lag is gone' : `${duration(g.drain.p10)} to ${duration(g.drain.p90)}`} />
      <Fact name="Replicas" value={<Replicas of={g} />} note={replicaNote(g)} />
      <Fact name="Skew" value={g.skew === null ? dash : `${rate(g.skew)}×`} note="hottest partition over the mean" />
      <Fact name="Members" value={count(g.members)} note={[g.phase, g.type, d.assignor].filter(Boolean).join(', ')} />
      <Fact name="Seen" value={<><Since at={seenAt(g)} /> ago</>} note={g.fresh ? 'in the latest look' : 'not in the latest look'} />
    </dl>
  )
}

function Fact({ name, value, note }: { name: string; value: preact.ComponentChildren; note: string }) {
  return <div><dt>{name}</dt><dd>{value}</dd><dd class="note">{note}</dd></div>
}

function replicaNote(g: Group): string {
  const { needed, useful, partitionsNeeded } = g.replicas
  if (needed !== null && useful !== null && needed > useful) return `the partitions allow ${useful}; it takes ${count(partitionsNeeded)} partitions`
  return g.replicaCapacity.perSecond === null ? 'have → need' : `${rate(g.replicaCapacity.perSecond)}/s each at most`
}

const selector = (n: Name) => `{cluster=${JSON.stringify(n.cluster)},consumergroup=${JSON.stringify(n.group)}}`

function History({ g, d }: { g: Group; d: GroupDetail }) {
  const { query } = useLocation()
  const range = query.range in ranges ? query.range : '15m'
  const metrics = ['tidemark_group_lag_records', 'tidemark_group_arrivals_per_second', 'tidemark_group_consumption_per_second']
  const past = usePast(metrics.map(m => `max(${m}${selector(g)})`), ranges[range])
  const { times, values } = useLive(past, g)
  const tone = states[g.state].tone
  const limits = useMemo(() => limitsOf(d), [d.thresholds.lagRecords])
  const ahead = aheadOf(g)
  const to = roomFor(ranges[range], ahead)
  const lag = useMemo(() => [{ name: 'lag', tone: tone === 'grey' ? 'muted' : tone, values: values[0] }], [values, tone])
  const flow = useMemo(() => [{ name: 'in', tone: 'accent', values: values[1] }, { name: 'out', tone: 'ok', dashed: true, values: values[2] }], [values])
  return (
    <section>
      <div class="tools">
        <h2>Lag</h2><span class="grow" /><Ranges at={range} />
      </div>
      {past.error && <p class="problem">No history: {past.error} The line begins now.</p>}
      <Chart times={times} lines={lag} limits={limits} ahead={ahead} to={to} fill label={`Lag over the last ${range}, now ${lagWord(g)}, ${states[g.state].word}, gone in: ${eta(g)}`} />
      <h2>Rates <small class="muted">records per second: <span class="key accent">in</span> <span class="key ok dashed">out</span></small></h2>
      <Chart times={times} lines={flow} to={to} height={140} label={`Records per second, now ${rate(g.arrivals.perSecond)} in and ${rate(g.consumption.perSecond)} out`} />
    </section>
  )
}

// useLive adds what the stream has brought since history was asked.
function useLive(past: ReturnType<typeof usePast>, g: Group) {
  const [points, setPoints] = useState<[number, (number | null)[]][]>([])
  const at = Math.round(Date.parse(seenAt(g) ?? '') / 1000)
  useEffect(() => setPoints([]), [g.cluster, g.group])
  useEffect(() => {
    if (!Number.isFinite(at)) return
    setPoints(before => [...before.filter(([t]) => t < at).slice(-600), [at, [g.fresh ? g.lag.records : null, g.arrivals.perSecond, g.consumption.perSecond]]])
  }, [at, g])
  return useMemo(() => {
    const last = past.times.at(-1) ?? 0
    const later = points.filter(([t]) => t > last)
    const times = [...past.times, ...later.map(([t]) => t)]
    const values = [0, 1, 2].map(i => [...(past.series[i]?.[0]?.values ?? past.times.map(() => null)), ...later.map(([, v]) => v[i])])
    // What was before the first look is not drawn: a minute after the start the
    // minute is worth seeing, not the void before it.
    const first = Math.max(0, times.findIndex((_, i) => values.some(v => v[i] !== null)))
    return { times: times.slice(first), values: values.map(v => v.slice(first)) }
  }, [past, points])
}

// limitsOf draws the pipeline's threshold and, as the seed's dashboard does with
// 500 and 1,000, twice that as critical.
function limitsOf(d: GroupDetail) {
  const at = d.thresholds.lagRecords
  return at === null ? [] : [{ at, tone: 'warn', name: count(at) }, { at: 2 * at, tone: 'crit', name: count(2 * at) }]
}

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

function Partitions({ d }: { d: GroupDetail }) {
  const owners = ownerNames(d.members)
  const topics = new Set(d.partitions.map(p => p.topic))
  const columns = partitionColumns(owners, topics.size > 1)
  const rows = useMemo(() => [...d.partitions].sort((a, b) => states[b.state].severity - states[a.state].severity || (b.lag ?? -1) - (a.lag ?? -1)), [d])
  return (
    <section>
      <h2>Partitions <small class="muted">{topics.size === 1 ? [...topics][0] : plural(topics.size, 'topic')}</small></h2>
      <Heat partitions={d.partitions} />
      <Table caption="Partitions of the group, most urgent first" columns={columns} rows={rows} id={p => `${p.topic}/${p.id}`} param="partitions" empty="The group reads nothing." />
    </section>
  )
}

// ownerNames calls members by their client id, and by their host too if several share it.
function ownerNames(members: Member[]): Map<string, string> {
  const alone = (m: Member) => members.filter(o => o.client === m.client).length === 1
  return new Map(members.map(m => [m.id, alone(m) ? m.client || m.id : `${m.client} ${m.host}`]))
}

const fewCells = 8 // fewer are seen at once in the table
const cells = 240 // more would be narrower than an eye can part

// Heat shows where the lag lies: one bar for each partition, or for the highest
// of neighbours when there are too many.
function Heat({ partitions }: { partitions: Partition[] }) {
  if (partitions.length < fewCells) return null
  const per = Math.ceil(partitions.length / cells)
  const top = Math.max(1, ...partitions.map(p => p.lag ?? 0))
  const bars = Array.from({ length: Math.ceil(partitions.length / per) }, (_, i) => {
    const part = partitions.slice(i * per, (i + 1) * per)
    return part.reduce((a, b) => ((b.lag ?? Infinity) > (a.lag ?? Infinity) ? b : a))
  })
  return (
    <div class="heat" role="img" aria-label={`Lag by partition; the highest is ${count(top)}`}>
      {bars.map(p => (
        <i key={`${p.topic}/${p.id}`} class={p.lag === null ? 'none' : p.lag > 0 ? '' : 'zero'} title={`${p.topic} ${p.id}: ${partitionLag(p)}`} style={{ height: p.lag === null ? '100%' : `${Math.max(6, (100 * p.lag) / top)}%` }} />
      ))}
    </div>
  )
}

function partitionLag(p: Partition): string {
  if (p.lag !== null) return count(p.lag)
  return p.reason === 'uncommitted' ? 'no commit yet' : p.reason === 'denied' ? 'hidden' : p.reason.replaceAll('_', ' ') || 'unknown'
}

function partitionColumns(owners: Map<string, string>, topics: boolean): Column<Partition>[] {
  const topic: Column<Partition> = { key: 'topic', name: 'Topic', up: true, sort: p => p.topic, cell: p => p.topic }
  return [
    ...(topics ? [topic] : []),
    { key: 'id', name: 'Partition', num: true, up: true, sort: p => p.id, cell: p => p.id },
    { key: 'state', name: 'State', sort: p => states[p.state].severity, cell: p => <StateWord state={p.state} reason={p.reason} /> },
    { key: 'lag', name: 'Lag', num: true, sort: p => p.lag, cell: p => <span class={p.lag === null ? 'partial' : ''} title={p.lost ? `${plural(p.lost, 'record')} deleted unread` : ''}>{partitionLag(p)}</span> },
    { key: 'time', name: 'Time lag', num: true, sort: p => p.timeLag.seconds, cell: p => duration(p.timeLag.seconds) },
    { key: 'start', name: 'Log start', num: true, sort: p => p.logStart, cell: p => count(p.logStart) },
    { key: 'committed', name: 'Committed', num: true, sort: p => p.committed, cell: p => count(p.committed) },
    { key: 'end', name: 'End', num: true, sort: p => p.logEnd, cell: p => count(p.logEnd) },
    { key: 'flow', name: 'In → out /s', num: true, sort: p => p.arrivals.perSecond, cell: p => <>{rate(p.arrivals.perSecond)} <span class="muted">→</span> {rate(p.consumption.perSecond)}</> },
    { key: 'owner', name: 'Owner', up: true, sort: p => p.owner, cell: p => (p.owner ? <span title={p.owner}>{owners.get(p.owner) ?? p.owner}</span> : <span class="muted">nobody</span>) },
  ]
}

const memberColumns: Column<Member>[] = [
  { key: 'client', name: 'Client', up: true, sort: m => m.client, cell: m => m.client || m.id },
  { key: 'host', name: 'Host', up: true, sort: m => m.host, cell: m => m.host },
  { key: 'owns', name: 'Partitions', num: true, sort: m => m.partitions, cell: m => (m.partitions ? m.partitions : <span class="warn">! 0, idle</span>) },
  { key: 'lag', name: 'Lag', num: true, sort: m => m.lag, cell: m => (m.partitions ? count(m.lag) : dash) },
  { key: 'instance', name: 'Instance id', cell: m => m.instanceId || <span class="muted">none</span> },
  { key: 'member', name: 'Member id', cell: m => <code>{m.id}</code> },
]

function Members({ d }: { d: GroupDetail }) {
  return (
    <section>
      <h2>Members</h2>
      <Table caption="Members of the group" columns={memberColumns} rows={d.members} id={m => m.id} param="members"
        empty={d.group.members === null ? 'Not seen.' : 'Nobody. The broker keeps the commits until its retention for them ends.'} />
    </section>
  )
}

// Elsewhere says the same page as a command, a call and a query.
function Elsewhere({ name }: { name: Name }) {
  const lines = [
    { as: 'CLI', text: `tidemark explain ${shellWord(name.group)}` },
    { as: 'API', text: `curl -s ${location.origin}/api/tidemark/v1/groups/${encodeURIComponent(name.cluster)}/${encodeURIComponent(name.group)}` },
    { as: 'PromQL', text: `tidemark_group_lag_records${selector(name)}` },
  ]
  return <section><h2>The same elsewhere</h2><Copies lines={lines} /></section>
}
