// An incident as one HTML file that asks nobody for anything: charts, alerts,
// events, estimates and what was said about it. It holds no script, and forbids
// any: the names in it come from whoever may write to Kafka.
import { render, type ComponentChildren } from 'preact'
import type { Course } from './charts'
import { save } from './csv'
import { count, duration, eta, lagWord, rate } from './format'
import { ownerNames } from './partitions'
import { summary } from './store'
import { Still } from './still'
import type { Alert, Event, Group, GroupDetail, Partition, Time } from './types'
import { states } from './words'

export function saveIncident(g: Group, d: GroupDetail, course: Course) {
  const box = document.createElement('div')
  render(<Report g={g} d={d} course={course} />, box)
  const title = document.createElement('title')
  title.textContent = `${g.group}: incident`
  // The document is what the browser itself makes of the elements, so that no
  // name can become one.
  save(`incident-${g.group}.html`, 'text/html', `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">${title.outerHTML}<style>${style}</style></head>
<body>${box.innerHTML}</body></html>
`)
  render(null, box)
}

function Report({ g, d, course: c }: { g: Group; d: GroupDetail; course: Course }) {
  const [from, to] = [c.times[0], c.times[c.times.length - 1]]
  const owners = ownerNames(d.members)
  const said = [d.explanation.takes, d.explanation.allows].filter(Boolean).join(' ')
  return (
    <main>
      <h1>{g.group} <b class={states[g.state].tone}>{states[g.state].shape} {states[g.state].word}</b></h1>
      <p class="muted">Cluster {g.cluster}. {from === undefined ? 'Nothing was kept of this time.' : <>From {moment(from)} to {moment(to)}.</>} Saved at {moment(Date.now() / 1000)} by tidemark {summary.value?.version}.</p>
      {g.because && <p>{g.because}</p>}
      <Rows head={['', '']} rows={[...d.explanation.facts.map(f => [f.name, f.text]), ...estimates(g)]} />
      {said && <p>{said}</p>}
      {d.explanation.options.length > 0 && <ol>{d.explanation.options.map(o => <li key={o.text}>{o.text} {o.command && <code>{o.command}</code>}</li>)}</ol>}
      <h2>Lag</h2>
      <Still title="Lag" times={c.times} lines={c.lag} limits={c.limits} marks={c.marks} ahead={c.ahead} says={count} />
      <h2>Time lag</h2>
      <Still title="Time lag" times={c.times} lines={c.wait} limits={c.waitLimits} marks={c.marks} says={duration} />
      <h2>Records per second: <span class="accent">in</span>, <span class="ok">out</span></h2>
      <Still title="Records per second" times={c.times} lines={c.flow} limits={[]} marks={c.marks} says={rate} />
      <h2>Alerts</h2>
      <Rows head={['State', 'Alert', 'Severity', 'Since', 'Says']} rows={d.alerts.map(alertRow)} />
      <h2>Events</h2>
      <Rows head={['At', 'Kind', 'What']} rows={c.events.map((e: Event) => [utc(e.at), e.kind, e.text])} />
      <h2>Partitions</h2>
      <Rows head={['Topic', 'Partition', 'State', 'Lag', 'Committed', 'End', 'Owner']} rows={d.partitions.map(p => partitionRow(p, owners))} />
    </main>
  )
}

const moment = (t: number) => `${new Date(t * 1000).toISOString().slice(0, 19)}Z`

const utc = (at: Time) => (at === null ? 'unknown' : moment(Date.parse(at) / 1000))

const estimates = (g: Group) => [
  ['Lag', lagWord(g)], ['Time lag', duration(g.timeLag.seconds)],
  ['ETA', `${eta(g)}${g.drain.p50 === null ? '' : ` (${duration(g.drain.p10)} to ${duration(g.drain.p90)})`}`],
  ['In → out', `${rate(g.arrivals.perSecond)} → ${rate(g.consumption.perSecond)} records per second`],
  ['Replicas', `${count(g.replicas.have)} → ${count(g.replicas.needed)}, the partitions allow ${count(g.replicas.useful)}`],
]

const alertRow = (a: Alert) => [a.state, a.name, a.severity, utc(a.firedAt ?? a.activeSince), a.annotations.summary ?? a.annotations.description ?? '']

const partitionRow = (p: Partition, owners: Map<string, string>) => [p.topic, p.id, [states[p.state].word, p.reason.replaceAll('_', ' '), p.leader === -1 && 'no leader'].filter(Boolean).join(', '), p.lag === null ? 'unknown' : count(p.lag), count(p.committed), count(p.logEnd), owners.get(p.owner) ?? (p.owner || 'nobody')]

function Rows({ head, rows }: { head: string[]; rows: ComponentChildren[][] }) {
  if (rows.length === 0) return <p class="muted">None.</p>
  return (
    <table>
      {head.some(Boolean) && <thead><tr>{head.map(h => <th key={h} scope="col">{h}</th>)}</tr></thead>}
      <tbody>{rows.map((row, i) => <tr key={i}>{row.map((cell, j) => <td key={j}>{cell}</td>)}</tr>)}</tbody>
    </table>
  )
}

const style = `
body { margin: 0; background: light-dark(#fff, #0d1117); color: light-dark(#1f2328, #e6edf3); font: 14px/20px system-ui, sans-serif; font-variant-numeric: tabular-nums; }
main { max-width: 1000px; margin: 0 auto; padding: 24px; }
h1 { font-size: 20px; } h2 { font-size: 14px; margin: 24px 0 6px; }
table { border-collapse: collapse; } th, td { padding: 3px 12px 3px 0; text-align: left; vertical-align: top; border-bottom: 1px solid light-dark(#d8dee4, #2a313c); overflow-wrap: anywhere; } th { font-weight: 400; }
code { font: 12px ui-monospace, monospace; }
.muted, th { color: light-dark(#59636e, #9198a1); } .ok { color: light-dark(#1a7f37, #3fb950); } .warn { color: light-dark(#9a6700, #d29922); } .crit { color: light-dark(#cf222e, #f85149); }
.never { color: light-dark(#8250df, #ab7df8); } .accent { color: light-dark(#0969da, #4493f8); } .grey { color: light-dark(#59636e, #9198a1); }
.still { width: 100%; font-size: 11px; overflow: hidden; } .still path { fill: none; stroke: currentColor; stroke-width: 1.75; } .still line { stroke: currentColor; } .still text { fill: currentColor; } .still line.ok { stroke-width: 1.75; }
.still .axis { color: light-dark(#59636e, #9198a1); } .still .axis line { stroke: light-dark(#d8dee4, #2a313c); } .still .dashed, .still .limit line { stroke-dasharray: 5 4; } .still .mark { opacity: .5; }
.still .band { fill: light-dark(#1a7f37, #3fb950); opacity: .15; }
`
