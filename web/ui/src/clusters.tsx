// Can the numbers be trusted?
import { useAnswer } from './ask'
import { Chart } from './chart'
import { ageOf, count, duration, plural } from './format'
import { usePast } from './history'
import { now } from './store'
import { Table, type Column } from './table'
import type { Broker, ClusterDetail, ClusterList, Gap, RequestCount, State } from './types'
import { Since, StateWord } from './words'

export function ClustersPage() {
  const { answer, error } = useAnswer<ClusterList>('/clusters')
  return (
    <section>
      <h1>Clusters</h1>
      {!answer && <p class="wait">{error || 'Asking the server…'}</p>}
      {answer?.clusters.length === 0 && <p class="muted">No cluster is watched yet. <a href="/connect">Connect one</a></p>}
      {answer?.clusters.map(c => <Cluster key={c.name} c={c} />)}
    </section>
  )
}

const brokerColumns: Column<Broker>[] = [
  {
    key: 'up', name: 'Broker', up: true, sort: b => b.id,
    cell: b => <><span class={`state ${b.up ? 'ok' : 'crit'}`}><span class="shape" aria-hidden="true">{b.up ? '✓' : '×'}</span> {b.id} {b.up ? 'up' : 'down'}</span>{b.leftAt !== null && <span class="reason"> · left <Since at={b.leftAt} /> ago</span>}</>,
  },
  { key: 'address', name: 'Address', up: true, sort: b => b.address, cell: b => <code>{b.address}</code> },
]

const gapColumns: Column<Gap>[] = [
  { key: 'what', name: 'Not seen', up: true, sort: g => g.what, cell: g => g.what },
  { key: 'reason', name: 'Reason', up: true, sort: g => g.reason, cell: g => g.reason },
  { key: 'text', name: 'Kafka says', cell: g => <span title={g.text}>{g.text}</span> },
]

const requestColumns: Column<RequestCount>[] = [
  { key: 'api', name: 'Request', up: true, sort: r => r.api, cell: r => r.api },
  { key: 'count', name: 'Sent', num: true, sort: r => r.count, cell: r => count(r.count) },
]

function Cluster({ c }: { c: ClusterDetail }) {
  const of = `{cluster=${JSON.stringify(c.name)}}`
  const past = usePast([`max(tidemark_look_duration_seconds${of})`], 3600)
  const took = past.series[0]?.[0]?.values
  return (
    <section>
      <h2>{c.name}</h2>
      {c.failed && <p class="problem">The latest look brought nothing: {c.failed}</p>}
      <dl class="facts">
        <Fact name="Seen" value={c.observedAt === null ? 'never' : `${duration(ageOf(c.observedAt, now.value))} ago`} note={c.failed ? 'before it failed' : 'in the latest look'} />
        <Fact name="Look took" value={c.lookSeconds === null ? '—' : `${Math.round(c.lookSeconds * 1000)} ms`} note="all requests of one look" />
        <Fact name="Brokers" value={`${count(c.brokersUp)} of ${count(c.brokers)}`} note="answered" />
        <Fact name="Topics" value={count(c.topics)} note={c.partitions === null ? '' : `${plural(c.partitions, 'partition')} as groups read them`} />
        <Fact name="Gaps" value={count(c.gaps)} note="not seen in the latest look" />
      </dl>
      <p class="states">{(Object.keys(c.states) as State[]).map(s => <span key={s}>{count(c.states[s])} <StateWord state={s} /></span>)}</p>
      {took && <><h2>How long looks took <small class="muted">the last hour</small></h2><Chart times={past.times} lines={[{ name: 'look', tone: 'accent', values: took }]} height={120} says={duration} label={`How long looks at ${c.name} took in the last hour`} /></>}
      <div class="pair">
        <Table caption={`Brokers of ${c.name}`} columns={brokerColumns} rows={c.nodes} id={b => String(b.id)} param={`brokers-${c.name}`} empty="No broker was seen yet." />
        <Table caption={`Requests sent to ${c.name}`} columns={requestColumns} rows={c.requests} id={r => r.api} param={`requests-${c.name}`} empty="No request was counted." />
      </div>
      {c.errors.length > 0 && <><h2>Not seen {c.gaps !== null && c.errors.length < c.gaps && <small class="muted">the first {c.errors.length} of {count(c.gaps)}</small>}</h2><Table caption={`What was not seen of ${c.name}`} columns={gapColumns} rows={c.errors} id={g => g.what} param={`gaps-${c.name}`} csv={`gaps-${c.name}`} /></>}
    </section>
  )
}

function Fact({ name, value, note }: { name: string; value: string; note: string }) {
  return <div><dt>{name}</dt><dd>{value}</dd><dd class="note">{note}</dd></div>
}
