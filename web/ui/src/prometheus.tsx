// The pages whose addresses people know from Prometheus: rules, targets, graph.
import { useEffect, useMemo, useState } from 'preact/hooks'
import { useLocation } from 'preact-iso'
import { Chart } from './chart'
import { count, duration, rate } from './format'
import { ranges, usePast, type Series } from './history'
import { prometheus } from './store'
import { Table, type Column } from './table'
import { Since } from './words'

// useEngine asks once, then every 15 seconds.
export function useEngine<T>(path: string) {
  const [answer, set] = useState<T | null>(null)
  const [error, setError] = useState('')
  useEffect(() => {
    const stop = new AbortController()
    const load = () => prometheus<T>(path, stop.signal).then(a => { set(a); setError('') }).catch(err => stop.signal.aborted || setError(String(err.message)))
    void load()
    const timer = window.setInterval(load, 15000)
    return () => {
      stop.abort()
      window.clearInterval(timer)
    }
  }, [path])
  return { answer, error }
}

interface Rule {
  name: string
  query: string
  type: 'alerting' | 'recording'
  state?: string
  duration?: number
  health: string
  lastError?: string
  lastEvaluation: string
}

export interface RuleGroups {
  groups: { name: string; file: string; interval: number; rules: Rule[] }[]
}

const ruleColumns: Column<Rule>[] = [
  { key: 'health', name: 'Health', sort: r => r.health, cell: r => <span class={`state ${r.health === 'ok' ? 'ok' : r.health === 'err' ? 'crit' : 'grey'}`} title={r.lastError}><span class="shape" aria-hidden="true">{r.health === 'ok' ? '✓' : r.health === 'err' ? '×' : '–'}</span> {r.health}</span> },
  { key: 'name', name: 'Rule', up: true, sort: r => r.name, cell: r => <b>{r.name}</b> },
  { key: 'state', name: 'State', sort: r => r.state ?? '', cell: r => (r.type === 'recording' ? <span class="muted">recording</span> : r.state) },
  { key: 'for', name: 'For', num: true, sort: r => r.duration ?? 0, cell: r => (r.duration ? duration(r.duration) : '') },
  { key: 'expr', name: 'Expression', cell: r => <a href={`/graph?g0.expr=${encodeURIComponent(r.query)}`}><code>{r.query}</code></a> },
  { key: 'replay', name: 'Replay', cell: r => r.type === 'alerting' && <a href={`/replay?${new URLSearchParams({ rule: r.name })}`} aria-label={`Replay ${r.name}`}>replay</a> },
  { key: 'last', name: 'Evaluated', num: true, cell: r => <><Since at={r.lastEvaluation} /> ago</> },
]

export function RulesPage() {
  const { answer, error } = useEngine<RuleGroups>('/rules')
  return (
    <section>
      <h1>Rules</h1>
      {!answer && !error && <p class="wait">Asking the server…</p>}
      {error && <p class="problem">{error}</p>}
      {answer?.groups.length === 0 && <p class="muted">No rules are loaded. Packs are named in tidemark.yaml under rules.</p>}
      {answer?.groups.map(g => (
        <section key={g.file + g.name}>
          <h2>{g.name} <small class="muted">every {duration(g.interval)}, {g.file}</small></h2>
          <Table caption={`Rules of ${g.name}`} columns={ruleColumns} rows={g.rules} id={r => r.name + r.query + JSON.stringify(r.duration)} param={g.name} />
        </section>
      ))}
    </section>
  )
}

interface Target {
  scrapePool: string
  scrapeUrl: string
  labels: Record<string, string>
  health: string
  lastError: string
  lastScrape: string
  lastScrapeDuration: number
}

const targetColumns: Column<Target>[] = [
  { key: 'health', name: 'Health', sort: t => t.health, cell: t => <span class={`state ${t.health === 'up' ? 'ok' : t.health === 'down' ? 'crit' : 'grey'}`}><span class="shape" aria-hidden="true">{t.health === 'up' ? '✓' : t.health === 'down' ? '×' : '–'}</span> {t.health}</span> },
  { key: 'pool', name: 'Job', up: true, sort: t => t.scrapePool, cell: t => t.scrapePool },
  { key: 'url', name: 'Target', up: true, sort: t => t.scrapeUrl, cell: t => <code>{t.scrapeUrl}</code> },
  { key: 'took', name: 'Took', num: true, sort: t => t.lastScrapeDuration, cell: t => `${Math.round(t.lastScrapeDuration * 1000)} ms` },
  { key: 'last', name: 'Last', num: true, cell: t => <><Since at={t.lastScrape} /> ago</> },
  { key: 'error', name: 'Error', cell: t => <span class="crit">{t.lastError}</span> },
]

export function TargetsPage() {
  const { answer, error } = useEngine<{ activeTargets: Target[] }>('/targets?state=active')
  return (
    <section>
      <h1>Targets</h1>
      {!answer && !error && <p class="wait">Asking the server…</p>}
      {error && <p class="problem">{error}</p>}
      {answer && <Table caption="Scrape targets" columns={targetColumns} rows={answer.activeTargets} id={t => t.scrapePool + t.scrapeUrl} empty="Nothing is scraped besides Kafka itself." />}
    </section>
  )
}

const tones = ['accent', 'ok', 'warn', 'crit', 'never', 'muted']
const drawn = 24 // lines; the table below has all

const lookOf = (i: number) => ({ tone: tones[i % tones.length], dashed: i % (2 * tones.length) >= tones.length })

export function GraphPage() {
  const { query, route } = useLocation()
  const expr = query['g0.expr'] ?? ''
  const range = query['g0.range_input'] ?? '1h'
  const [text, setText] = useState(expr)
  useEffect(() => setText(expr), [expr])
  const past = usePast([expr], seconds(range))
  const series = past.series[0] ?? []
  const lines = useMemo(() => series.slice(0, drawn).map((s, i) => ({ name: nameOf(s), ...lookOf(i), values: s.values })), [past])
  const go = (e: string, r: string) => route(`/graph?${new URLSearchParams({ 'g0.expr': e, 'g0.range_input': r })}`)
  return (
    <section>
      <h1>Graph</h1>
      <form class="tools" onSubmit={e => { e.preventDefault(); go(text, range) }}>
        <input class="expr" value={text} onInput={e => setText(e.currentTarget.value)} placeholder="PromQL, for example tidemark_group_lag_records" aria-label="PromQL expression" spellcheck={false} />
        <button type="submit">Run</button>
        <div class="choice" role="group" aria-label="Time range">
          {Object.keys(ranges).map(name => <button key={name} type="button" aria-pressed={name === range} onClick={() => go(text, name)}>{name}</button>)}
        </div>
      </form>
      {past.error && <p class="problem">{past.error}</p>}
      {lines.length > 0 && <Chart times={past.times} lines={lines} height={360} label={`${expr} over ${range}, ${series.length} series`} />}
      {expr && !past.error && <Table caption="Latest values" columns={seriesColumns(series)} rows={series} id={nameOf} param="series" empty="The expression gives no series in this time." />}
    </section>
  )
}

const latest = (s: Series) => s.values.findLast(v => v !== null) ?? null

const seriesColumns = (all: Series[]): Column<Series>[] => [
  { key: 'series', name: 'Series', up: true, sort: nameOf, cell: s => <span class={keyOf(all.indexOf(s))}><code>{nameOf(s)}</code></span> },
  { key: 'latest', name: 'Latest', num: true, sort: latest, cell: s => { const v = latest(s); return v !== null && Math.abs(v) < 100 ? rate(v) : count(v) } },
]

const keyOf = (i: number) => (i < drawn ? `key ${lookOf(i).tone}${lookOf(i).dashed ? ' dashed' : ''}` : '')

function nameOf(s: Series): string {
  const { __name__: name = '', ...labels } = s.metric
  const all = Object.entries(labels).map(([k, v]) => `${k}="${v}"`).join(', ')
  return all ? `${name}{${all}}` : name || 'value'
}

const units: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 }

// seconds reads a range as Prometheus' pages write it: 1h, 30m, 1h30m, 2d.
function seconds(range: string): number {
  const parts = [...range.matchAll(/(\d+)([smhdw])/g)]
  return parts.reduce((sum, [, n, unit]) => sum + Number(n) * units[unit], 0) || 3600
}
