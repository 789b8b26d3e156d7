// Who runs out next?
import { useMemo } from 'preact/hooks'
import { count, rate } from './format'
import { Replicas } from './overview'
import { allGroups } from './store'
import { Table, type Column } from './table'
import type { Group } from './types'
import { pathOf, states, StateWord } from './words'

export function CapacityPage() {
  const all = allGroups.value
  const rows = useMemo(() => [...all].sort((a, b) => urgency(b) - urgency(a) || (a.headroom ?? 1) - (b.headroom ?? 1) || (a.group < b.group ? -1 : 1)), [all])
  return (
    <section>
      <h1>Capacity</h1>
      <p class="muted">Headroom is the share of what the present replicas can read that does not arrive. ▲ is what the partitions allow.</p>
      <Table caption="Groups, least headroom first" columns={columns} rows={rows} id={g => `${g.cluster}/${g.group}`} card={110} keys fixed empty="No consumer group is visible yet." dim={g => !g.fresh} />
    </section>
  )
}

// What cannot be judged is neither full nor empty: it comes after what can.
const urgency = (g: Group) => (g.headroom === null ? 0 : 1)

const columns: Column<Group>[] = [
  { key: 'group', name: 'Group', up: true, sort: g => g.group, cell: g => <a href={pathOf(g)}>{g.group}</a> },
  { key: 'state', name: 'State', sort: g => states[g.state].severity, cell: g => <StateWord state={g.state} reason={g.reason} /> },
  { key: 'headroom', name: 'Headroom', num: true, up: true, sort: g => g.headroom, cell: g => <Headroom of={g.headroom} /> },
  { key: 'replicas', name: 'Replicas', num: true, title: 'have → need; ▲ capped by the partitions', sort: g => g.replicas.needed, cell: g => <Replicas of={g} /> },
  { key: 'most', name: 'At most', num: true, title: 'replicas that the partitions allow', sort: g => g.replicas.useful, cell: g => count(g.replicas.useful) },
  { key: 'partitions', name: 'Partitions needed', num: true, sort: g => g.replicas.partitionsNeeded, cell: g => count(g.replicas.partitionsNeeded) },
  { key: 'one', name: 'One replica /s', num: true, title: 'what one replica reads when it never waits', sort: g => g.replicaCapacity.perSecond, cell: g => rate(g.replicaCapacity.perSecond) },
  { key: 'flow', name: 'Arrive /s', num: true, sort: g => g.arrivals.perSecond, cell: g => rate(g.arrivals.perSecond) },
]

function Headroom({ of }: { of: number | null }) {
  if (of === null) return <span class="muted">not known</span>
  const [tone, shape] = of <= 0 ? ['crit', '×'] : of < 0.3 ? ['warn', '!'] : ['ok', '✓']
  return <span class={tone}><span class="shape" aria-hidden="true">{shape}</span> {String(Math.max(-999, Math.round(100 * of))).replace('-', '−')} %</span>
}
