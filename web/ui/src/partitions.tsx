// A group's partitions and members.
import { useMemo } from 'preact/hooks'
import { count, dash, duration, plural, rate } from './format'
import { Table, type Column } from './table'
import type { GroupDetail, Member, Partition } from './types'
import { Chip, Since, states, StateWord } from './words'

export function Partitions({ d, past }: { d: GroupDetail; past: boolean }) {
  const owners = ownerNames(d.members)
  const topics = new Set(d.partitions.map(p => p.topic))
  const columns = partitionColumns(owners, topics.size > 1, past)
  const rows = useMemo(() => [...d.partitions].sort((a, b) => states[b.state].severity - states[a.state].severity || (b.lag ?? -1) - (a.lag ?? -1)), [d])
  return (
    <section>
      <h2>Partitions <small class="muted">{topics.size === 1 ? [...topics][0] : plural(topics.size, 'topic')}</small></h2>
      <Heat partitions={d.partitions} />
      <Table caption="Partitions of the group, most urgent first" columns={columns} rows={rows} id={p => `${p.topic}/${p.id}`} param="partitions" csv={`partitions-${d.group.group}`}
        empty={past ? 'History has kept no partitions of this group; history.partitions says of which it does.' : 'The group reads nothing.'} />
    </section>
  )
}

// ownerNames calls members by their client id, and by their host too if several share it.
export function ownerNames(members: Member[]): Map<string, string> {
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

// What history keeps of a partition is less than what a look sees.
const kept = ['topic', 'id', 'lag', 'time', 'committed']

function partitionColumns(owners: Map<string, string>, topics: boolean, past: boolean): Column<Partition>[] {
  const all: Column<Partition>[] = [
    { key: 'topic', name: 'Topic', up: true, sort: p => p.topic, cell: p => p.topic },
    { key: 'id', name: 'Partition', num: true, up: true, sort: p => p.id, cell: p => p.id },
    { key: 'state', name: 'State', sort: p => states[p.state].severity, cell: p => <><StateWord state={p.state} reason={p.reason} /><PartitionChips of={p} /></> },
    { key: 'lag', name: 'Lag', num: true, sort: p => p.lag, cell: p => <span class={p.lag === null ? 'partial' : ''}>{partitionLag(p)}</span> },
    { key: 'time', name: 'Time lag', num: true, sort: p => p.timeLag.seconds, cell: p => duration(p.timeLag.seconds) },
    { key: 'start', name: 'Log start', num: true, sort: p => p.logStart, cell: p => count(p.logStart) },
    { key: 'committed', name: 'Committed', num: true, sort: p => p.committed, cell: p => count(p.committed) },
    { key: 'end', name: 'End', num: true, sort: p => p.logEnd, cell: p => count(p.logEnd) },
    { key: 'flow', name: 'In → out /s', num: true, sort: p => p.arrivals.perSecond, cell: p => <>{rate(p.arrivals.perSecond)} <span class="muted">→</span> {rate(p.consumption.perSecond)}</> },
    { key: 'owner', name: 'Owner', up: true, sort: p => p.owner, cell: p => (p.owner ? <span title={p.owner}>{owners.get(p.owner) ?? p.owner}</span> : <span class="muted">nobody</span>) },
    { key: 'age', name: 'Seen', num: true, title: 'when its leader was last heard', sort: p => p.observedAt, cell: p => (p.observedAt === null ? dash : <><Since at={p.observedAt} /> ago</>) },
  ]
  return all.filter(c => (topics || c.key !== 'topic') && (!past || kept.includes(c.key)))
}

// PartitionChips say what is wrong with the log itself.
function PartitionChips({ of: p }: { of: Partition }) {
  return (
    <>
      {p.leader === -1 && <Chip tone="crit" title="Nobody can write or read here until a broker takes it over">no leader</Chip>}
      {p.heldSince !== null && <Chip tone="warn" title={`A transaction that is not ended holds who reads committed records at ${count(p.stable)}, before the end`}>open transaction for <Since at={p.heldSince} /></Chip>}
      {p.lost !== null && p.lost > 0 && <Chip tone="crit" title="Retention deleted them before the group had read them">{count(p.lost)} lost</Chip>}
    </>
  )
}

const memberColumns: Column<Member>[] = [
  { key: 'client', name: 'Client', up: true, sort: m => m.client, cell: m => m.client || m.id },
  { key: 'host', name: 'Host', up: true, sort: m => m.host, cell: m => m.host },
  { key: 'owns', name: 'Partitions', num: true, sort: m => m.partitions, cell: m => (m.partitions ? m.partitions : <span class="warn">! 0, idle</span>) },
  { key: 'lag', name: 'Lag', num: true, sort: m => m.lag, cell: m => (m.partitions ? count(m.lag) : dash) },
  { key: 'instance', name: 'Instance id', cell: m => m.instanceId || <span class="muted">none</span> },
  { key: 'member', name: 'Member id', cell: m => <code>{m.id}</code> },
]

export function Members({ d }: { d: GroupDetail }) {
  return (
    <section>
      <h2>Members</h2>
      <Table caption="Members of the group" columns={memberColumns} rows={d.members} id={m => m.id} param="members" csv={`members-${d.group.group}`}
        empty={d.group.members === null ? 'Not seen.' : 'Nobody. The broker keeps the commits until its retention for them ends.'} />
    </section>
  )
}
