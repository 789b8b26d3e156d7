// Why, how long, and who?
import { useRoute } from 'preact-iso'
import { AlertTable } from './alerts'
import { useAnswer } from './ask'
import { Charts, useCourse, type Course } from './charts'
import { count, dash, duration, eta, lagWord, plural, rate, slope } from './format'
import { selector } from './history'
import { saveIncident } from './incident'
import { Replicas } from './overview'
import { Members, Partitions } from './partitions'
import { useMoment, usePastGroup } from './past'
import { Planner, WhatToDo } from './plan'
import { groupOf, seenAt, summary } from './store'
import type { Group, GroupDetail } from './types'
import { At, Chip, Copies, Errors, kindOf, linkTo, pathOf, shellWord, Since, states, StateWord } from './words'

export function GroupPage() {
  const { params } = useRoute()
  const name = { cluster: params.cluster, group: params.group }
  const at = useMoment()
  const now = useAnswer<GroupDetail>(pathOf(name))
  const then = usePastGroup(at, name)
  const error = at === null ? now.error : then.error
  const detail = at === null ? now.answer : then.past && { ...(now.answer ?? nothingNow), ...then.past, assignor: '', explanation: nothingNow.explanation, members: [], events: [], errors: [] }
  if (!detail) return <p class="wait">{error || 'Asking the server…'}</p>
  return <Known key={`${name.cluster}/${name.group}`} g={at === null ? groupOf(name) ?? detail.group : detail.group} d={detail} at={at} error={error} />
}

// What stands for a group that is gone by now, on a page about its past.
const nothingNow: Omit<GroupDetail, 'group'> = {
  apiVersion: '', kind: '', sequence: 0, observedAt: null, assignor: '', partitions: [], members: [], alerts: [], events: [], errors: [],
  explanation: { headline: '', facts: [], takes: '', allows: '', options: [] },
  thresholds: { lagRecords: null, drain: null, timeLag: null, skew: null, membersMin: null },
}

function Known({ g, d, at, error }: { g: Group; d: GroupDetail; at: number | null; error: string }) {
  const course = useCourse(g, d, at)
  const past = at !== null
  return (
    <>
      <Head g={g} d={d} course={course} />
      {error && <p class="problem">{error} What follows is what was seen last.</p>}
      <Asks g={g} d={d} />
      <Facts g={g} d={d} past={past} />
      <WhatToDo x={d.explanation} />
      <Charts g={g} course={course} />
      {!past && <Planner d={d} />}
      <Partitions d={d} past={past} />
      {!past && <Members d={d} />}
      {d.alerts.length > 0 && <section><h2>Alerts</h2><AlertTable alerts={d.alerts} /></section>}
      <Errors errors={d.errors} />
      <Events course={course} />
    </>
  )
}

function Head({ g, d, course }: { g: Group; d: GroupDetail; course: Course }) {
  const tone = states[g.state].tone
  const cluster = summary.value?.clusters.find(c => c.name === g.cluster)
  const down = (cluster?.brokers ?? 0) - (cluster?.brokersUp ?? 0)
  return (
    <section class={`verdict ${tone}`}>
      <nav class="crumbs" aria-label="Breadcrumb"><a href="/">Overview</a> / {g.cluster}</nav>
      <div class="tools">
        <h1>{g.group} <StateWord state={g.state} reason={g.reason} /> <span class="slope">{slope(g.slope)}</span>{down > 0 && <a href="/clusters"><Chip tone="crit" title="Brokers that did not answer in the latest look">{plural(down, 'broker')} down</Chip></a>}</h1>
        <span class="grow" />
        <CopyAs g={g} />
        <button type="button" disabled={!course.whole} title="one HTML file with charts, alerts and events of the range shown, to attach to a ticket" onClick={() => saveIncident(g, d, course)}>Export incident</button>
      </div>
      <p>
        {g.because && `${g.because.replace(/\.$/, '')}. `}
        <span class="muted">{g.since !== null && <>For <Since at={g.since} /></>}{[g.pipeline && `pipeline ${g.pipeline}`, g.owner && `owner ${g.owner}`].filter(Boolean).map((t, i) => `${i || g.since !== null ? ', ' : ''}${t}`)}</span>
      </p>
    </section>
  )
}

// CopyAs says the same page as a command, a call, a query and a sentence.
function CopyAs({ g }: { g: Group }) {
  const lines = [
    { as: 'Link', text: location.origin + linkTo(g) },
    { as: 'CLI', text: `tidemark explain ${shellWord(g.group)}` },
    { as: 'curl', text: `curl -s ${location.origin}/api/tidemark/v1${pathOf(g)}` },
    { as: 'PromQL', text: `tidemark_group_lag_records${selector(g)}` },
    { as: 'Markdown', text: markdown(g) },
  ]
  return <details class="menu"><summary>Copy as</summary><Copies lines={lines} /></details>
}

function markdown(g: Group): string {
  const { have, needed, useful } = g.replicas
  const capped = needed !== null && useful !== null && needed > useful ? `, the partitions allow ${useful}` : ''
  return `**\`${g.group.replaceAll('`', "'")}\`** is ${states[g.state].word}: lag ${lagWord(g)}, time lag ${duration(g.timeLag.seconds)}, ` +
    `${rate(g.arrivals.perSecond)} → ${rate(g.consumption.perSecond)} /s, ETA ${eta(g)}, replicas ${count(have)} → ${count(needed)}${capped}. ${location.origin}${linkTo(g)}`
}

// Asks says what to ask for where Kafka does not let us look.
function Asks({ g, d }: { g: Group; d: GroupDetail }) {
  const topics = [...new Set(d.partitions.filter(p => p.reason === 'denied').map(p => p.topic))]
  if (g.reason !== 'denied' && topics.length === 0) return null
  const acl = (kind: string, name: string) => `kafka-acls.sh --bootstrap-server localhost:9092 --add --allow-principal User:tidemark --operation Describe --${kind} ${shellWord(name)}`
  const lines = [...(g.reason === 'denied' ? [acl('group', g.group)] : []), ...topics.map(t => acl('topic', t))]
  return (
    <div class="problem">
      Kafka does not let this principal read {g.reason === 'denied' ? 'the group' : plural(topics.length, 'topic')}. Ask for:
      <Copies lines={lines.map(text => ({ as: 'ACL', text }))} />
    </div>
  )
}

function Facts({ g, d, past }: { g: Group; d: GroupDetail; past: boolean }) {
  return (
    <dl class="facts">
      <Fact name="Lag" value={lagWord(g)} note={past ? '' : g.lag.complete ? plural(g.lag.partitions, 'partition') : `${count(g.lag.missing)} of ${plural(g.lag.partitions, 'partition')} not seen`} />
      <Fact name="Time lag" value={duration(g.timeLag.seconds)} note={g.timeLag.error ? `± ${duration(g.timeLag.error)}` : 'oldest unread record'} />
      <Fact name="In → out" value={<>{rate(g.arrivals.perSecond)} → {rate(g.consumption.perSecond)}</>} note="records per second" />
      <Fact name="ETA" value={eta(g)} note={g.drain.p50 === null ? 'until the lag is gone' : `${duration(g.drain.p10)} to ${duration(g.drain.p90)}`} />
      <Fact name="Replicas" value={<Replicas of={g} />} note={replicaNote(g)} />
      <Fact name="Skew" value={g.skew === null ? dash : `${rate(g.skew)}×`} note="hottest partition over the mean" />
      <Fact name="Members" value={count(g.members)} note={[g.phase, g.type, d.assignor].filter(Boolean).join(', ')} />
      {past ? <Fact name="Seen" value={<At at={g.observedAt} />} note="that is the past" /> : <Fact name="Seen" value={<><Since at={seenAt(g)} /> ago</>} note={g.fresh ? 'in the latest look' : 'not in the latest look'} />}
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

const listed = 30

// Events are the marks on the charts, in words.
function Events({ course }: { course: Course }) {
  if (course.events.length === 0) return null
  return (
    <section class="events">
      <h2>Events <small class="muted">{course.events.length > listed ? `the latest ${listed} of ${course.events.length}` : `▾ on the charts`}</small></h2>
      <ol>{course.events.slice(0, listed).map((e, i) => <li key={`${e.at}${i}`}><At at={e.at} /> <span class="muted">{kindOf(e)}</span> {e.text}</li>)}</ol>
    </section>
  )
}
