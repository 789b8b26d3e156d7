// Who feeds whom?
import { useMemo } from 'preact/hooks'
import { useLocation } from 'preact-iso'
import { useAnswer } from './ask'
import { count, plural, rate } from './format'
import { groupOf } from './store'
import { Table, useSetQuery, type Column } from './table'
import type { Name, Read, Topic, Topology } from './types'
import { Errors, pathOf, states } from './words'

export function TopologyPage() {
  const { answer, error } = useAnswer<Topology>('/topology')
  const { query } = useLocation()
  const set = useSetQuery()
  const words = (query.q ?? '').toLowerCase()
  const reads = useMemo(() => (answer?.reads ?? []).filter(r => `${r.topic} ${r.group} ${r.cluster}`.toLowerCase().includes(words)).sort(urgentFirst), [answer, words])
  if (!answer) return <p class="wait">{error || 'Asking the server…'}</p>
  return (
    <section>
      <h1>Topology</h1>
      <div class="tools">
        <input type="search" placeholder="filter: topic or group" aria-label="Filter topics and groups" value={query.q ?? ''} onInput={e => set('q', e.currentTarget.value)} />
        <span class="grow" />
        <span class="muted">{plural(answer.topics.length, 'topic')}, {plural(new Set(answer.reads.map(groupKey)).size, 'group')}</span>
      </div>
      <Errors errors={answer.errors} />
      <Picture reads={reads} topics={answer.topics} />
      <h2>The same as a list</h2>
      <Table caption="Which groups read which topics, most urgent first" columns={columns} rows={reads} id={r => `${r.cluster}/${r.topic}/${r.group}`} keys csv="topology" empty="No group reads a topic that matches." />
    </section>
  )
}

const nameOf = (r: Read): Name => ({ cluster: r.cluster, group: r.group })
const stateOf = (r: Read) => states[groupOf(nameOf(r))?.state ?? 'unknown']
const topicKey = (t: { cluster: string }, name: string) => `${t.cluster}\u0000${name}`
const groupKey = (r: Read) => topicKey(r, r.group)

const urgentFirst = (a: Read, b: Read) => stateOf(b).severity - stateOf(a).severity || (b.lag.known ?? -1) - (a.lag.known ?? -1) || (b.arrivals ?? -1) - (a.arrivals ?? -1) || (groupKey(a) < groupKey(b) ? -1 : 1)

const columns: Column<Read>[] = [
  { key: 'topic', name: 'Topic', up: true, sort: r => r.topic, cell: r => r.topic },
  { key: 'group', name: 'Group', up: true, sort: r => r.group, cell: r => <a href={pathOf(nameOf(r))}>{r.group}</a> },
  { key: 'cluster', name: 'Cluster', up: true, sort: r => r.cluster, cell: r => r.cluster },
  { key: 'state', name: 'State of the group', sort: r => stateOf(r).severity, cell: r => <span class={`state ${stateOf(r).tone}`}><span class="shape" aria-hidden="true">{stateOf(r).shape}</span> {stateOf(r).word}</span> },
  { key: 'partitions', name: 'Partitions', num: true, sort: r => r.partitions, cell: r => r.partitions },
  { key: 'lag', name: 'Lag', num: true, sort: r => r.lag.known, cell: r => <span class={r.lag.complete ? '' : 'partial'}>{r.lag.complete ? count(r.lag.records) : r.lag.known === null ? 'unknown' : `≥ ${count(r.lag.known)}`}</span> },
  { key: 'arrivals', name: 'Arrive /s', num: true, sort: r => r.arrivals, cell: r => rate(r.arrivals) },
]

const most = 24 // nodes on a side: more are a tangle; the list has all
const apart = 34
const [left, right, wide] = [330, 630, 960]

// Picture draws the most urgent groups and what they read. Kafka does not know
// who produces: what arrives stands for it.
function Picture({ reads, topics }: { reads: Read[]; topics: Topic[] }) {
  const groups = [...new Set(reads.map(groupKey))].slice(0, most)
  const among = reads.filter(r => groups.includes(groupKey(r)))
  const place = new Map(groups.map((g, i) => [g, i]))
  // A topic stands at the height of who reads it, so that few lines cross.
  const readers = [...Map.groupBy(among, r => topicKey(r, r.topic))].map(([key, of]) => ({ key, of, height: of.reduce((a, r) => a + place.get(groupKey(r))!, 0) / of.length }))
  const shown = readers.sort((a, b) => a.height - b.height).slice(0, most)
  const rows = new Map(shown.map((t, i) => [t.key, i]))
  const about = new Map(topics.map(t => [topicKey(t, t.name), t]))
  if (groups.length === 0) return null
  const height = Math.max(groups.length, shown.length) * apart + 8
  const y = (i: number, of: number) => 8 + apart / 2 + i * apart + ((Math.max(groups.length, shown.length) - of) * apart) / 2
  const hidden = new Set(reads.map(groupKey)).size - groups.length
  return (
    <>
      <div class="topology">
        <svg viewBox={`0 0 ${wide} ${height}`} role="group" aria-label="Topics and the groups that read them; the list below says the same">
          {among.filter(r => rows.has(topicKey(r, r.topic))).map(r => {
            const [a, b] = [y(rows.get(topicKey(r, r.topic))!, shown.length), y(place.get(groupKey(r))!, groups.length)]
            const middle = (left + right) / 2
            return <path key={`${r.topic}/${groupKey(r)}`} class={`edge ${stateOf(r).tone}`} d={`M${left} ${a}C${middle} ${a} ${middle} ${b} ${right} ${b}`} stroke-width={r.arrivals === null ? 1 : 1 + Math.log10(1 + r.arrivals) * 1.5} stroke-dasharray={r.arrivals === null ? '2 4' : undefined}><title>{`${r.topic} → ${r.group}: ${r.arrivals === null ? 'rate not known' : `${rate(r.arrivals)}/s`}`}</title></path>
          })}
          {shown.map(({ key, of }, i) => <TopicNode key={key} name={of[0].topic} topic={about.get(key)} reads={of} y={y(i, shown.length)} />)}
          {groups.map((key, i) => <GroupNode key={key} r={among.find(r => groupKey(r) === key)!} y={y(i, groups.length)} />)}
        </svg>
      </div>
      <p class="muted">Lines are as thick as what arrives; dotted: not known. {hidden > 0 && `${plural(hidden, 'group')} more ${hidden === 1 ? 'is' : 'are'} in the list; the filter brings them into the picture.`}</p>
    </>
  )
}

function TopicNode({ name, topic, reads, y }: { name: string; topic?: Topic; reads: Read[]; y: number }) {
  const known = reads.flatMap(r => r.arrivals ?? [])
  const trouble = topic?.leaderless ? `${topic.leaderless} without leader` : topic?.outOfSync ? `${topic.outOfSync} out of sync` : ''
  return (
    <g class="node">
      <title>{`${name}, ${plural(topic?.partitions ?? reads[0].partitions, 'partition')}${trouble && `, ${trouble}`}`}</title>
      <text class="flow" x={84} y={y + 4} text-anchor="end">{known.length ? `${rate(Math.max(...known))}/s →` : '— →'}</text>
      <rect x={92} y={y - 13} width={left - 92} height={26} rx={5} class={trouble ? 'crit' : ''} />
      <text x={100} y={y + 4}>{cut(trouble ? `× ${name}` : name, 32)}</text>
    </g>
  )
}

function GroupNode({ r, y }: { r: Read; y: number }) {
  const s = stateOf(r)
  const members = groupOf(nameOf(r))?.members ?? null
  return (
    <g>
      <title>{`${r.group}: ${s.word}, lag ${count(r.lag.known)}`}</title>
      <a href={pathOf(nameOf(r))} class="node">
        <rect x={right} y={y - 13} width={210} height={26} rx={5} class={s.tone} />
        <text x={right + 8} y={y + 4}><tspan class={s.tone}>{s.shape}</tspan> {cut(r.group, 28)}</text>
      </a>
      <text class="flow" x={right + 218} y={y + 4}>{members === null ? '— members' : plural(members, 'member')}</text>
    </g>
  )
}

const cut = (text: string, most: number) => (text.length > most ? `${text.slice(0, most - 1)}…` : text)
