// What would an alert have done?
import { useEffect, useState } from 'preact/hooks'
import { useLocation } from 'preact-iso'
import { useAnswer } from './ask'
import { count, duration, plural, rate } from './format'
import { Table, type Column } from './table'
import type { Firing, Replay } from './types'
import { pathOf } from './words'

const ranges = ['1h', '6h', '24h', '168h']

export function ReplayPage() {
  const { query, route } = useLocation()
  const asked = { expr: query.expr ?? '', for: query.for || '5m', range: ranges.includes(query.range) ? query.range : '24h' }
  const [wish, set] = useState(asked)
  useEffect(() => set(asked), [asked.expr, asked.for, asked.range])
  const { answer, error } = useAnswer<Replay>(asked.expr ? `/replay?${new URLSearchParams(asked)}` : '')
  const go = (to: typeof wish) => route(`/replay?${new URLSearchParams(to)}`)
  return (
    <section>
      <h1>Replay</h1>
      <p class="muted">Runs an alert over the history that is kept, and changes nothing. Try another threshold, or another time to hold, before it goes into a file.</p>
      <form onSubmit={e => { e.preventDefault(); go(wish) }}>
        <div class="tools">
          <input class="expr" value={wish.expr} onInput={e => set({ ...wish, expr: e.currentTarget.value })} placeholder="PromQL, for example tidemark_group_lag_records > 500" aria-label="Condition, in PromQL" spellcheck={false} />
          <label>for <input class="short" value={wish.for} onInput={e => set({ ...wish, for: e.currentTarget.value })} /></label>
          <div class="choice" role="group" aria-label="Over">{ranges.map(r => <button key={r} type="button" aria-pressed={r === wish.range} onClick={() => go({ ...wish, range: r })}>{r === '168h' ? '7d' : r}</button>)}</div>
          <button type="submit">Replay</button>
        </div>
        <Threshold expr={wish.expr} set={expr => set({ ...wish, expr })} done={expr => go({ ...wish, expr })} />
      </form>
      {asked.expr && !answer && <p class={error ? 'problem' : 'wait'}>{error || 'Replaying…'}</p>}
      {answer && <Outcome r={answer} />}
    </section>
  )
}

const lastNumber = /^(.*[<>]=?\s*)(\d+(?:\.\d+)?)\s*$/s

// Threshold is the number that the condition ends with, to be moved.
function Threshold({ expr, set, done }: { expr: string; set: (expr: string) => void; done: (expr: string) => void }) {
  const found = lastNumber.exec(expr)
  const [base, setBase] = useState(0)
  const value = found ? Number(found[2]) : 0
  useEffect(() => { if (value && (value > 10 * base || value < base / 10)) setBase(value) }, [value])
  if (!found) return null
  const step = 10 ** Math.floor(Math.log10(Math.max(value, base, 1)) - 1)
  const changed = (e: { currentTarget: HTMLInputElement }) => found[1] + e.currentTarget.value
  return (
    <label class="threshold">threshold
      <input type="range" min="0" max={4 * (base || value || 1)} step={step} value={value} onInput={e => set(changed(e))} onChange={e => done(changed(e))} />
      <output>{value}</output>
    </label>
  )
}

function Outcome({ r }: { r: Replay }) {
  const fired = r.firings.filter(f => f.firedAt !== null)
  const brief = fired.filter(f => f.resolvedAt !== null && seconds(f) < 120).length
  return (
    <>
      <h2 aria-live="polite">It would have fired {fired.length === 1 ? 'once' : fired.length === 0 ? 'never' : `${count(fired.length)} times`}{brief > 0 && `, ${count(brief)} of them for less than two minutes`}{r.firings.length > fired.length && `; ${plural(r.firings.length - fired.length, 'time')} it only pended`}.</h2>
      <Timeline r={r} />
      <Table caption="Each time it would have fired" columns={columns} rows={r.firings} id={f => `${f.activeAt}${JSON.stringify(f.labels)}`} param="firings" csv="replay" empty="The condition never held in this time." />
    </>
  )
}

const end = (f: Firing) => (f.resolvedAt === null ? null : Date.parse(f.resolvedAt))
const seconds = (f: Firing) => ((end(f) ?? NaN) - Date.parse(f.firedAt ?? f.activeAt!)) / 1000

function Timeline({ r }: { r: Replay }) {
  const [from, to] = [Date.parse(r.from!), Date.parse(r.to!)]
  const at = (t: number) => (1000 * (t - from)) / (to - from)
  return (
    <svg class="timeline" viewBox="0 0 1000 24" preserveAspectRatio="none" role="img" aria-label="When it would have fired; the table below says the same">
      {r.firings.map((f, i) => {
        const [a, b] = [at(Date.parse(f.activeAt!)), at(end(f) ?? to)]
        return <rect key={i} class={f.firedAt === null ? 'warn' : 'crit'} x={a} width={Math.max(1, b - a)} y={f.firedAt === null ? 12 : 0} height={f.firedAt === null ? 12 : 24} />
      })}
    </svg>
  )
}

const local = (at: string | null) => (at === null ? '' : new Date(at).toLocaleString('sv-SE'))
const about = (f: Firing) => ({ cluster: f.labels.cluster ?? '', group: f.labels.consumergroup ?? '' })

const columns: Column<Firing>[] = [
  { key: 'state', name: 'State', sort: f => (f.firedAt === null ? 0 : 1), cell: f => (f.firedAt === null ? <span class="warn">! pended</span> : <span class="crit">× fired</span>) },
  { key: 'at', name: 'Held from', up: true, sort: f => f.activeAt, cell: f => local(f.activeAt) },
  { key: 'fired', name: 'Fired', up: true, sort: f => f.firedAt, cell: f => local(f.firedAt) },
  { key: 'lasted', name: 'Lasted', num: true, sort: f => (f.resolvedAt === null ? null : seconds(f)), cell: f => (f.resolvedAt === null ? 'to the end' : duration(seconds(f))) },
  { key: 'value', name: 'Last value', num: true, sort: f => f.value, cell: f => rate(f.value) },
  { key: 'group', name: 'Group', up: true, sort: f => f.labels.consumergroup ?? '', cell: f => (f.labels.consumergroup ? <a href={`${pathOf(about(f))}?at=${encodeURIComponent(f.firedAt ?? f.activeAt!)}`}>{f.labels.consumergroup}</a> : '') },
  { key: 'labels', name: 'Labels', cell: f => <code>{Object.entries(f.labels).map(([k, v]) => `${k}="${v}"`).join(', ')}</code> },
]
