// Is anything falling behind?
import { useMemo, useRef, useEffect } from 'preact/hooks'
import { useLocation } from 'preact-iso'
import { count, dash, duration, eta, lagWord, plural, rate, slope } from './format'
import { useMoment, usePastGroups } from './past'
import { allGroups, dataAge, summary } from './store'
import { Spark } from './spark'
import { Table, typing, useSetQuery, type Column } from './table'
import type { Group, State, Summary } from './types'
import { Age, At, Chip, Errors, kindOf, linkTo, Since, states, StateWord } from './words'

export function Overview() {
  const at = useMoment()
  const { moment, error } = usePastGroups(at)
  const s = at === null ? summary.value : moment?.summary
  if (!s) return <p class="wait">{error || 'Asking the server…'}</p>
  const all = moment?.groups ?? allGroups.value
  return (
    <>
      <Verdict s={s} worst={all.find(g => g.cluster === s.verdict.worst.cluster && g.group === s.verdict.worst.group)} />
      <Tiles s={s} />
      <Errors errors={s.errors} />
      <Groups s={s} all={all} />
      <Ticker s={s} />
    </>
  )
}

const marks = { failing: ['×', 'crit'], unknown: ['–', 'grey'], behind: ['!', 'warn'], ok: ['✓', 'ok'] } as const

function Verdict({ s, worst }: { s: Summary; worst?: Group }) {
  const [shape, tone] = marks[s.verdict.level]
  return (
    <section class={`verdict ${tone}`} aria-live="polite">
      <h1><span class="shape" aria-hidden="true">{shape}</span> {s.verdict.text}</h1>
      {worst && (
        <p>
          <a href={linkTo(worst)}>{worst.group}</a> {worst.since === null ? `was ${states[worst.state].word}` : <>has been {states[worst.state].word} for <Since at={worst.since} /></>}
          {worst.because ? <>: {worst.because}</> : null}
        </p>
      )}
    </section>
  )
}

function Tiles({ s }: { s: Summary }) {
  const failing = (s.states.growing ?? 0) + (s.states.stalled ?? 0) + (s.states.stopped ?? 0)
  const behind = (s.states.steady ?? 0) + (s.states.draining ?? 0)
  const firing = s.alerts.critical + s.alerts.warning
  const failed = s.clusters.filter(c => c.failed || c.observedAt === null)
  const gaps = s.clusters.reduce((n, c) => n + (c.gaps ?? 0), 0)
  const down = s.clusters.reduce((n, c) => n + (c.brokers ?? 0) - (c.brokersUp ?? 0), 0)
  const look = s.clusters.map(c => c.lookSeconds).filter(x => x !== null)
  return (
    <section class="tiles" aria-label="At a glance">
      <Tile name="Failing" tone={failing ? 'crit' : 'ok'} shape={failing ? '×' : '✓'} value={count(failing)} note={`${count(behind)} behind, ${count(s.states.unknown ?? 0)} unknown`} />
      <Tile name="Worst time lag" value={s.timeLag.seconds === null ? dash : `${s.timeLagUnknown ? '≥ ' : ''}${duration(s.timeLag.seconds)}`}
        note={<>{s.slowest.group && <a href={linkTo(s.slowest)}>{s.slowest.group}</a>}{s.slowest.group && s.timeLagUnknown ? ', ' : ''}{s.timeLagUnknown ? `${plural(s.timeLagUnknown, 'group')} not known` : ''}</>} />
      <Tile name="Total lag" value={s.lag.complete ? count(s.lag.records) : s.lag.known === null ? dash : `≥ ${count(s.lag.known)}`} note={!s.lag.complete ? 'not all of it was seen' : s.lag.partitions ? plural(s.lag.partitions, 'partition') : 'of all groups'} />
      <Tile name="Alerts" tone={s.alerts.critical ? 'crit' : firing ? 'warn' : 'ok'} shape={s.alerts.critical ? '×' : firing ? '!' : '✓'} value={count(firing)} note={<a href="/alerts">{`${count(s.alerts.critical)} critical, ${count(s.alerts.pending)} pending`}</a>} />
      {s.clusters.length > 0 && <Tile name="Collector" tone={failed.length ? 'crit' : gaps ? 'warn' : 'ok'} shape={failed.length ? '×' : gaps ? '!' : '✓'}
        value={failed.length ? 'blind' : look.length ? `${Math.round(Math.max(...look) * 1000)} ms` : dash}
        note={<a href="/clusters">{failed.length ? failed[0].failed || 'first look not ended' : [down && `${plural(down, 'broker')} down`, plural(gaps, 'gap'), `seen ${duration(dataAge.value)} ago`].filter(Boolean).join(', ')}</a>} />}
    </section>
  )
}

function Tile(p: { name: string; value: string; note: preact.ComponentChildren; tone?: string; shape?: string }) {
  return (
    <div class={`tile ${p.tone ?? ''}`}>
      <h2>{p.name}</h2>
      <b>{p.shape && <span class="shape" aria-hidden="true">{p.shape}</span>}{p.value}</b>
      <small>{p.note}</small>
    </div>
  )
}

// What the table can be put together by, as ?by= in the URL.
const headings: Record<string, (g: Group) => string> = {
  owner: g => g.owner || 'no owner',
  pipeline: g => g.pipeline || 'no pipeline',
  state: g => states[g.state].word,
  cluster: g => g.cluster,
}

function Groups({ s, all }: { s: Summary; all: Group[] }) {
  const { query } = useLocation()
  const setQuery = useSetQuery()
  const words = query.q ?? ''
  const rows = useMemo(() => urgentFirst(all.filter(matching(words))), [all, words])
  const field = useSlash()
  const many = s.clusters.length > 1
  const shown = useMemo(() => (many ? [...columns.slice(0, 1), clusterColumn, ...columns.slice(1)] : columns), [many])
  return (
    <section>
      <div class="tools">
        <input ref={field} type="search" placeholder="/ filter: name, owner, -not" aria-label="Filter groups" value={words} onInput={e => setQuery('q', e.currentTarget.value)} />
        <Chips s={s} all={all} words={words} set={text => setQuery('q', text)} />
        <span class="grow" />
        <label>by <select value={query.by in headings ? query.by : ''} onChange={e => setQuery('by', e.currentTarget.value)}>
          <option value="">urgency</option>
          {Object.keys(headings).map(name => <option key={name} value={name}>{name}</option>)}
        </select></label>
        <span class="muted">{rows.length === s.groups ? plural(s.groups, 'group') : `${count(rows.length)} of ${plural(s.groups, 'group')}`}</span>
      </div>
      <Table caption="Consumer groups, most urgent first" columns={shown} rows={rows} id={g => `${g.cluster}/${g.group}`} card={110} keys fixed csv="groups" by={headings[query.by]}
        empty={words ? 'No group matches the filter.' : 'No consumer group is visible yet.'} dim={g => s.sequence > 0 && !g.fresh} />
    </section>
  )
}

// Chips filter by state, and by what hides a group from us; each that occurs has one.
function Chips({ s, all, words, set }: { s: Summary; all: Group[]; words: string; set: (text: string) => void }) {
  const hidden = useMemo(() => all.filter(g => g.reason === 'denied').length, [all])
  const unreachable = useMemo(() => all.filter(g => g.reason === 'unreachable').length, [all])
  const chip = (word: string, tone: string, shape: string, says: string, title?: string) => (
    <button key={word} type="button" class={`chip ${tone}`} title={title} aria-pressed={words === word} onClick={() => set(words === word ? '' : word)}>
      <span class="shape" aria-hidden="true">{shape}</span> {says}
    </button>
  )
  return (
    <>
      {(Object.keys(states) as State[]).filter(state => s.states[state]).map(state => chip(state, states[state].tone, states[state].shape, `${count(s.states[state])} ${states[state].word}`))}
      {hidden > 0 && chip('denied', 'grey', '⊘', `${count(hidden)} hidden`, 'Kafka lets us see that they exist, but not read them: they need Describe for this principal')}
      {unreachable > 0 && chip('unreachable', 'grey', '⊘', `${count(unreachable)} unreachable`, 'whoever knows them did not answer in the latest look')}
    </>
  )
}

// matching understands words that must occur, and -words that must not.
function matching(text: string) {
  const words = text.toLowerCase().split(/\s+/).filter(w => w && w !== '-')
  return (g: Group) => {
    const all = `${g.group} ${g.cluster} ${g.state} ${g.reason} ${g.phase} ${g.owner} ${g.pipeline}`.toLowerCase()
    return words.every(w => (w.startsWith('-') ? !all.includes(w.slice(1)) : all.includes(w)))
  }
}

function urgentFirst(groups: Group[]): Group[] {
  return groups.sort((a, b) => states[b.state].severity - states[a.state].severity || (b.lag.known ?? -1) - (a.lag.known ?? -1) || (a.group < b.group ? -1 : 1))
}

function useSlash() {
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => {
    const pressed = (e: KeyboardEvent) => {
      if (e.key === 'Escape' && document.activeElement === field.current) field.current?.blur()
      if (e.key !== '/' || typing(e)) return
      e.preventDefault()
      field.current?.focus()
      field.current?.select()
    }
    addEventListener('keydown', pressed)
    return () => removeEventListener('keydown', pressed)
  }, [])
  return field
}

const clusterColumn: Column<Group> = { key: 'cluster', name: 'Cluster', up: true, sort: g => g.cluster, cell: g => g.cluster }

const columns: Column<Group>[] = [
  {
    key: 'group', name: 'Group', up: true, sort: g => g.group,
    cell: g => <><a href={linkTo(g)}>{g.group}</a>{g.alerts > 0 && <span class="badge" title={`${g.alerts} firing`}>{plural(g.alerts, 'alert')}</span>}{g.reason === 'denied' && <Chip tone="grey" title="Kafka does not let this principal read the group; it needs Describe on it">hidden</Chip>}</>,
  },
  { key: 'state', name: 'State', sort: g => states[g.state].severity, cell: g => <StateWord state={g.state} reason={g.reason} /> },
  {
    key: 'lag', name: 'Lag', num: true, title: 'records not yet consumed', sort: g => g.lag.known,
    cell: g => <span class={g.lag.complete ? '' : 'partial'} title={lagTitle(g)}>{lagWord(g)}</span>,
  },
  {
    key: 'time', name: 'Time lag', num: true, title: 'how long the oldest unread record has waited', sort: g => g.timeLag.seconds,
    cell: g => <span title={g.timeLag.error === null ? '' : `± ${duration(g.timeLag.error)}`}>{duration(g.timeLag.seconds)}</span>,
  },
  {
    key: 'trend', name: 'Trend', title: 'total lag of the last looks, and by how much it grows now', sort: g => g.slope,
    cell: g => <span class="drift"><Spark points={g.trend} tone={states[g.state].tone} /><span class="slope">{slope(g.slope)}</span></span>,
  },
  {
    key: 'flow', name: 'In → out /s', num: true, title: 'records per second that arrive and that are consumed', sort: g => g.arrivals.perSecond,
    cell: g => <>{rate(g.arrivals.perSecond)} <span class="muted">→</span> {rate(g.consumption.perSecond)}</>,
  },
  { key: 'eta', name: 'ETA', num: true, title: 'until the lag is gone, net of arrivals', sort: etaOrder, cell: g => <span class={etaTone(g)}>{eta(g)}</span> },
  { key: 'replicas', name: 'Replicas', num: true, title: 'have → need; ▲ capped by the partitions', sort: g => g.replicas.needed, cell: g => <Replicas of={g} /> },
  { key: 'age', name: 'Age', num: true, title: 'how old these numbers are', cell: g => <Age of={g} /> },
]

function lagTitle(g: Group): string {
  const { missing, uncommitted, uncommittedRecords, lost } = g.lag
  return [
    missing && `${plural(missing, 'partition')} not seen`,
    uncommitted && `${plural(uncommitted, 'partition')} never committed, with up to ${plural(uncommittedRecords, 'record')}, not counted`,
    lost && `${plural(lost, 'record')} deleted by retention before they were read`,
  ].filter(Boolean).join('; ')
}

// Never is longer than any number.
function etaOrder(g: Group): number | null {
  return states[g.state].severity === 3 ? Infinity : g.drain.p50
}

const etaTone = (g: Group) => (g.state === 'growing' ? 'crit strong' : states[g.state].severity === 3 ? 'never strong' : '')

export function Replicas({ of: g }: { of: Group }) {
  const { have, needed, useful } = g.replicas
  const capped = needed !== null && useful !== null && needed > useful
  return (
    <span title={capped ? `${needed} needed, but the partitions allow ${useful}` : 'have → need'}>
      {count(have ?? g.members)} <span class="muted">→</span> {count(needed)}
      {capped && <span class="cap">▲{useful}</span>}
    </span>
  )
}

function Ticker({ s }: { s: Summary }) {
  if (s.events.length === 0) return null
  return (
    <section class="events">
      <h2>Events</h2>
      <ol>
        {s.events.slice(0, 10).map((e, i) => (
          <li key={`${e.at}${i}`}>
            <At at={e.at} /> <span class="muted">{kindOf(e)}</span> {e.group && <a href={linkTo(e)}>{e.group}</a>} {e.text}
          </li>
        ))}
      </ol>
    </section>
  )
}
