// Would we notice, and recover?
import { useAnswer } from './ask'
import { count, duration, plural, rate } from './format'
import type { Drill, DrillList, DrillReport } from './types'
import { Copies, shellWord, Since } from './words'

export function DrillsPage() {
  const { answer, error } = useAnswer<DrillList>('/drills')
  return (
    <section>
      <h1>Drills</h1>
      <p class="muted">A drill makes trouble on purpose and holds the alerts, the estimates and the recovery to what its script expects.</p>
      {!answer && <p class="wait">{error || 'Asking the server…'}</p>}
      {answer?.drills.length === 0 && <><p>None is known to this server. Those that Tidemark brings run in memory, without a cluster:</p><Copies lines={[{ as: 'list', text: 'tidemark drill list' }, { as: 'run', text: 'tidemark drill run NAME' }]} /></>}
      {answer?.drills.map(d => <One key={d.name} d={d} />)}
    </section>
  )
}

const mark = (passed: boolean) => <span class={`state ${passed ? 'ok' : 'crit'}`}><span class="shape" aria-hidden="true">{passed ? '✓' : '×'}</span> {passed ? 'passed' : 'failed'}</span>

function One({ d }: { d: Drill }) {
  const [latest] = d.reports
  return (
    <section>
      <div class="tools">
        <h2>{d.name}</h2>
        {latest ? <>{mark(latest.passed)} <span class="muted"><Since at={latest.startedAt} /> ago</span></> : <span class="muted">never run here</span>}
        <span class="grow" />
        <Trend reports={d.reports} />
      </div>
      {d.title && <p>{d.title}</p>}
      <Copies lines={[{ as: 'run', text: `tidemark drill run ${shellWord(d.name)}` }]} />
      {d.reports.map((r, i) => <Report key={i} r={r} />)}
    </section>
  )
}

// Trend says how fast one replica was in each drill, oldest first.
function Trend({ reports }: { reports: DrillReport[] }) {
  const known = reports.flatMap(r => r.drain?.replicaCapacityPerSecond ?? []).reverse()
  return known.length < 2 ? null : <span class="muted">one replica: {known.map(rate).join(' → ')} /s</span>
}

const shapes: Record<string, [string, string]> = { passed: ['✓', 'ok'], failed: ['×', 'crit'], skipped: ['–', 'grey'], running: ['·', 'grey'] }

function Report({ r }: { r: DrillReport }) {
  return (
    <details class="report">
      <summary>{mark(r.passed)} {r.startedAt?.slice(0, 16).replace('T', ' ')}Z, took {duration(r.tookSeconds)}, {plural(r.steps.length, 'step')}{r.drain && `, ${count(r.drain.fromRecords)} records drained in ${duration(r.drain.tookSeconds)} by ${plural(r.drain.replicas ?? 0, 'replica')}`}</summary>
      <ol>
        {r.steps.map(s => {
          const [shape, tone] = shapes[s.verdict] ?? ['·', 'grey']
          return <li key={s.number}><span class={tone}><span class="shape" aria-hidden="true">{shape}</span> {s.verdict}</span> <code>{s.text}</code> <span class="muted">{duration(s.tookSeconds)} {s.seen}</span></li>
        })}
      </ol>
    </details>
  )
}
