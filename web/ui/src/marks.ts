// What happened to a group, as marks on its charts: told by the process while it
// watches, and before that read off the kept history.
import type { Mark } from './chart'
import type { Series } from './history'
import type { Event, Name } from './types'
import { kindOf } from './words'

const tones: Record<string, string> = { alert: 'crit', rebalance: 'never', members: 'accent', drill: 'ok' }

export const marksOf = (events: Event[]): Mark[] =>
  events.filter(e => e.at !== null).map(e => ({ at: Date.parse(e.at!) / 1000, tone: tones[e.kind] ?? 'muted', text: `${kindOf(e)} ${e.text}`.trim() }))

// kept are the series that tell of events: the alerts that fire, the state that
// is 1, and the number of members.
export const kept = ['ALERTS', 'tidemark_group_state', 'kafka_consumergroup_members']

// eventsIn reads events off those series, newest first. They are as exact as the
// series' step.
export function eventsIn(name: Name, times: number[], all: Series[]): Event[] {
  const [alerts, states, members] = kept.map(metric => all.filter(s => s.metric.__name__ === metric))
  const events: Event[] = []
  const say = (i: number, kind: string, text: string) => events.push({ at: new Date(times[i] * 1000).toISOString(), kind, ...name, text })
  const state = times.map((_, i) => states.find(s => s.values[i] === 1)?.metric.state ?? null)
  for (const { metric, values } of alerts) {
    // An alert that vanishes together with the state was not resolved: nobody watched.
    changes(values.map(v => v !== null), (i, _, fires) => state[i - 1] && state[i] && say(i, 'alert', `${metric.alertname} ${fires ? 'fires' : 'fires no more'}`))
  }
  changes(state, (i, before, after) => before && after && say(i, 'state', `${before} → ${after}`))
  changes(members[0]?.values ?? [], (i, before, after) => before !== null && after !== null && say(i, 'members', `members ${before} → ${after}`))
  return events.sort((a, b) => (a.at! < b.at! ? 1 : -1))
}

// changes calls with each place where a value differs from the one before.
function changes<T>(values: T[], call: (i: number, before: T, after: T) => unknown) {
  for (let i = 1; i < values.length; i++) if (values[i] !== values[i - 1]) call(i, values[i - 1], values[i])
}
