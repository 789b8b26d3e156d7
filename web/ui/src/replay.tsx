// What would an alert have done?
import { useLocation } from 'preact-iso'
import { useAnswer } from './ask'
import { count, dash, duration, rate } from './format'
import { useEngine, type RuleGroups } from './prometheus'
import { Table, useSetQuery, type Column } from './table'
import type { Firing, Num, Replay } from './types'
import { pathOf } from './words'

const ranges = [['1h', '1h'], ['6h', '6h'], ['24h', '24h'], ['168h', '7d']]

export function ReplayPage() {
  const { query } = useLocation()
  const set = useSetQuery()
  const { answer: loaded } = useEngine<RuleGroups>('/rules')
  const names = [...new Set(loaded?.groups.flatMap(g => g.rules.filter(r => r.type === 'alerting').map(r => r.name)))]
  const rule = query.rule ?? ''
  const range = ranges.some(([value]) => value === query.range) ? query.range : '24h'
  const { answer, error } = useAnswer<Replay>(rule && `/replay?${new URLSearchParams({ rule, range })}`)
  return (
    <section>
      <h1>Replay</h1>
      <p class="muted">Runs an alert over the history that is kept, and changes nothing. What was not seen then ends no alert here either.</p>
      <div class="tools">
        <label>Alert <select value={rule} onChange={e => set('rule', e.currentTarget.value)}>
          <option value="">choose one</option>
          {(names.includes(rule) || !rule ? names : [rule, ...names]).map(name => <option key={name}>{name}</option>)}
        </select></label>
        <div class="choice" role="group" aria-label="Over">{ranges.map(([value, says]) => <button key={value} type="button" aria-pressed={value === range} onClick={() => set('range', value)}>{says}</button>)}</div>
      </div>
      {rule && !answer && <p class={error ? 'problem' : 'wait'}>{error || 'Replaying…'}</p>}
      {answer && <Outcome r={answer} />}
    </section>
  )
}

const brief = 120 // seconds: who was called for less had nothing to do

function Outcome({ r }: { r: Replay }) {
  const n = r.firings.length
  const short = r.firings.filter(f => f.endedAt !== null && lasted(f)! < brief).length
  const better = [r.threshold !== null && `a threshold of ${value(r.threshold)}`, r.holdSeconds !== null && `for ${duration(r.holdSeconds)}`].filter(Boolean)
  return (
    <>
      <h2 aria-live="polite">It would have fired {n === 0 ? 'never' : n === 1 ? 'once' : `${count(n)} times`}{short > 0 && `, ${count(short)} of them for less than two minutes`}.</h2>
      {better.length > 0 && <p>With {better.join(', or ')} instead of {duration(r.forSeconds)}, it would have fired at most half as often.</p>}
      <Timeline r={r} />
      <Table caption="Each time it would have fired" columns={columns} rows={r.firings} id={f => `${f.activeAt}${JSON.stringify(f.labels)}`} param="firings" csv="replay" empty="It would not have fired in this time." />
    </>
  )
}

const value = (n: Num) => (n !== null && Math.abs(n) < 100 ? rate(n) : count(n))
const lasted = (f: Firing): Num => (f.endedAt === null || f.firedAt === null ? null : (Date.parse(f.endedAt) - Date.parse(f.firedAt)) / 1000)

function Timeline({ r }: { r: Replay }) {
  const [from, to] = [Date.parse(r.from!), Date.parse(r.to!)]
  const x = (t: string | null) => (1000 * ((t === null ? to : Date.parse(t)) - from)) / (to - from)
  return (
    <svg class="timeline" viewBox="0 0 1000 24" preserveAspectRatio="none" role="img" aria-label="When it would have fired; the table below says the same">
      {r.firings.map((f, i) => (
        <g key={i}>
          <rect class="warn" x={x(f.activeAt)} width={Math.max(0, x(f.firedAt) - x(f.activeAt))} y="12" height="12" />
          <rect class="crit" x={x(f.firedAt)} width={Math.max(1, x(f.endedAt) - x(f.firedAt))} y="0" height="24" />
        </g>
      ))}
    </svg>
  )
}

const local = (at: string | null) => (at === null ? dash : new Date(at).toLocaleString('sv-SE'))
const about = (f: Firing) => ({ cluster: f.labels.cluster ?? '', group: f.labels.consumergroup ?? '' })

const columns: Column<Firing>[] = [
  { key: 'fired', name: 'Fired', up: true, sort: f => f.firedAt, cell: f => local(f.firedAt) },
  { key: 'active', name: 'Held from', up: true, sort: f => f.activeAt, cell: f => local(f.activeAt) },
  { key: 'lasted', name: 'Lasted', num: true, sort: lasted, cell: f => (f.endedAt === null ? 'to the end' : duration(lasted(f))) },
  { key: 'worst', name: 'Worst value', num: true, sort: f => f.worst, cell: f => value(f.worst) },
  { key: 'group', name: 'Group, then', up: true, sort: f => f.labels.consumergroup ?? '', cell: f => f.labels.consumergroup && <a href={`${pathOf(about(f))}?at=${encodeURIComponent(f.firedAt ?? '')}`}>{f.labels.consumergroup}</a> },
  { key: 'labels', name: 'Labels', cell: f => <code>{Object.entries(f.labels).map(([k, v]) => `${k}="${v}"`).join(', ')}</code> },
]
