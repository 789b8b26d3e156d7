// What the pages know, kept up to date by one stream per tab.
import { computed, signal } from '@preact/signals'
import { ageOf } from './format'
import type { Group, Name, Patch, Snapshot, Summary, Time } from './types'

const trendPoints = 60

export const summary = signal<Summary | null>(null)
export const connection = signal<'connecting' | 'live' | 'paused' | 'reconnecting'>('connecting')
export const refused = signal('') // why the server does not let us look
export const now = signal(Date.now())

// The map changes in place; version says that it did.
const groups = new Map<string, Group>()
const version = signal(0)

const key = (n: Name) => `${n.cluster}\u0000${n.group}`

export const allGroups = computed(() => {
  version.value
  return [...groups.values()]
})

export function groupOf(name: Name): Group | undefined {
  version.value
  return groups.get(key(name))
}

// dataAge is the age in seconds of the oldest cluster's latest look.
export const dataAge = computed(() => {
  const ages = (summary.value?.clusters ?? []).map(c => ageOf(c.observedAt, now.value))
  return ages.length === 0 || ages.includes(null) ? null : Math.max(...(ages as number[]))
})

// seenAt is when a group's numbers were seen: with its cluster's latest look, or
// before that. A patch does not send a group for its age alone.
export function seenAt(g: Group): Time {
  const cluster = summary.value?.clusters.find(c => c.name === g.cluster)
  return g.fresh && cluster ? cluster.observedAt : g.observedAt
}

let source: EventSource | null = null
let again = 0

function onSnapshot(s: Snapshot) {
  groups.clear()
  for (const g of s.groups) groups.set(key(g), { ...g, trend: g.trend ?? [] })
  summary.value = s.summary
  version.value++
}

function onPatch(p: Patch) {
  const before = new Map(summary.value?.clusters.map(c => [c.name, c.observedAt]))
  for (const name of p.gone) groups.delete(key(name))
  for (const row of p.groups) groups.set(key(row), { ...row, trend: groups.get(key(row))?.trend ?? [] })
  // A patch carries no trends: a look adds one point to every group of its cluster.
  const looked = new Set(p.summary.clusters.filter(c => c.observedAt !== before.get(c.name)).map(c => c.name))
  for (const g of groups.values()) {
    if (looked.has(g.cluster) && g.trend.push(g.lag.records) > trendPoints) g.trend.shift()
  }
  summary.value = p.summary
  version.value++
}

function open() {
  close()
  source = new EventSource('/api/tidemark/v1/stream')
  source.onopen = () => {
    connection.value = 'live'
    refused.value = ''
  }
  source.addEventListener('snapshot', e => onSnapshot(JSON.parse(e.data)))
  source.addEventListener('patch', e => onPatch(JSON.parse(e.data)))
  source.onerror = () => {
    connection.value = 'reconnecting'
    // The browser tries again by itself unless the answer was no stream at all.
    if (source?.readyState === EventSource.CLOSED) {
      api('/view').catch(err => (refused.value = String(err.message ?? err)))
      again = window.setTimeout(open, 3000)
    }
  }
}

function close() {
  window.clearTimeout(again)
  source?.close()
  source = null
}

export function togglePause() {
  if (connection.value === 'paused') {
    connection.value = 'connecting'
    open()
  } else {
    connection.value = 'paused'
    close()
  }
}

// follow keeps the store up to date while the tab is seen.
export function follow() {
  open()
  window.setInterval(() => (now.value = Date.now()), 500)
  document.addEventListener('visibilitychange', () => {
    if (connection.value === 'paused') return
    if (document.hidden) close()
    else open()
  })
}

export const api = <T>(path: string, stop?: AbortSignal) => ask<T>(`/api/tidemark/v1${path}`, stop)

// prometheus asks the Prometheus API and unwraps its answer.
export async function prometheus<T>(path: string, stop?: AbortSignal): Promise<T> {
  return (await ask<{ data: T }>(`/api/v1${path}`, stop)).data
}

async function ask<T>(url: string, stop?: AbortSignal): Promise<T> {
  const response = await fetch(url, { signal: stop, headers: { Accept: 'application/json' } })
  const text = await response.text()
  if (response.ok) return JSON.parse(text)
  let why = `${response.status} ${response.statusText}`
  try {
    const problem = JSON.parse(text)
    why = problem.detail ?? problem.error ?? why
  } catch {
    // not JSON: the status has to do
  }
  throw new Error(why)
}
