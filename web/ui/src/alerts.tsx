// What fires, and since when?
import { useAnswer } from './ask'
import { count, rate } from './format'
import { Table, type Column } from './table'
import type { Alert, AlertList } from './types'
import { Errors, pathOf, Since } from './words'

const looks: Record<string, [string, string]> = { critical: ['×', 'crit'], warning: ['!', 'warn'], info: ['i', 'grey'], none: ['i', 'grey'] }
const rank: Record<string, number> = { firing: 3, pending: 2, resolved: 1 }
const urgency: Record<string, number> = { critical: 3, warning: 2, info: 1, none: 0 }

export function AlertsPage() {
  const { answer: list, error } = useAnswer<AlertList>('/alerts')
  if (!list) return <p class="wait">{error || 'Asking the server…'}</p>
  return (
    <section>
      <h1>Alerts</h1>
      <Errors errors={list.errors} />
      <AlertTable alerts={list.alerts} />
      <p class="muted">No alert resolves while the data it needs is missing. <a href="/rules">All rules</a>, each with a replay over history.</p>
    </section>
  )
}

export function AlertTable({ alerts }: { alerts: Alert[] }) {
  const sorted = [...alerts].sort((a, b) => rank[b.state] - rank[a.state] || (urgency[b.severity] ?? 2) - (urgency[a.severity] ?? 2) || (a.name < b.name ? -1 : 1))
  return <Table caption="Alerts" columns={columns} rows={sorted} id={a => a.name + JSON.stringify(a.labels)} param="alerts" card={92} empty="Nothing fires and nothing pends." dim={a => a.state === 'resolved'} />
}

const columns: Column<Alert>[] = [
  {
    key: 'state', name: 'State', sort: a => rank[a.state],
    cell: a => {
      const [shape, tone] = a.state === 'resolved' ? ['✓', 'ok'] : looks[a.severity] ?? ['!', 'warn']
      return <span class={`state ${tone}`}><span class="shape" aria-hidden="true">{shape}</span> {a.state}{a.dataMissingSince && <span class="reason"> · data missing for <Since at={a.dataMissingSince} /></span>}</span>
    },
  },
  { key: 'name', name: 'Alert', up: true, sort: a => a.name, cell: a => <><b>{a.name}</b>{runbook(a)}</> },
  { key: 'severity', name: 'Severity', sort: a => urgency[a.severity] ?? 2, cell: a => a.severity || 'none' },
  {
    key: 'group', name: 'Group', up: true, sort: a => a.labels.consumergroup ?? '',
    cell: a => (a.labels.consumergroup ? <a href={pathOf({ cluster: a.labels.cluster ?? '', group: a.labels.consumergroup })}>{a.labels.consumergroup}</a> : <span class="muted">none</span>),
  },
  { key: 'summary', name: 'Says', cell: a => <span title={a.annotations?.description}>{a.annotations?.summary ?? a.annotations?.description ?? ''}</span> },
  { key: 'value', name: 'Value', num: true, sort: a => a.value, cell: a => (a.value !== null && Math.abs(a.value) < 100 ? rate(a.value) : count(a.value)) },
  { key: 'since', name: 'Since', num: true, sort: a => a.activeSince && Date.parse(a.activeSince), cell: a => <Since at={a.state === 'resolved' ? a.resolvedAt : a.firedAt ?? a.activeSince} /> },
]

// An annotation is somebody's text: only what is surely a page becomes a link.
function runbook(a: Alert) {
  const url = a.annotations?.runbook_url ?? ''
  return /^(https?:\/\/|\/(?!\/))/.test(url) ? <> <a href={url} target={url.startsWith('/') ? undefined : '_blank'} rel="noreferrer">runbook</a></> : null
}
