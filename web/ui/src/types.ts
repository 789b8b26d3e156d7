// The JSON of /api/tidemark/v1, as web/model.go writes it. Unknown is null.

export type Num = number | null
export type Time = string | null

export type State = 'idle' | 'caught_up' | 'draining' | 'steady' | 'growing' | 'stalled' | 'stopped' | 'unknown'

export interface Name {
  cluster: string
  group: string
}

export interface Lag {
  records: Num
  known: Num
  complete: boolean
  partitions: number
  missing: number
  uncommitted: number
  uncommittedRecords: number
  lost: number
}

export interface TimeLag {
  seconds: Num
  error: Num
}

export interface Rate {
  perSecond: Num
  error: Num
}

export interface Row extends Name {
  type: string
  phase: string
  state: State
  since: Time
  because: string
  reason: string
  fresh: boolean
  observedAt: Time
  lag: Lag
  timeLag: TimeLag
  arrivals: Rate
  consumption: Rate
  slope: Num
  drain: { p10: Num; p50: Num; p90: Num }
  replicas: { have: Num; needed: Num; useful: Num; partitionsNeeded: Num }
  skew: Num
  members: Num
  alerts: number
}

export interface Group extends Row {
  trend: Num[]
}

export interface Cluster {
  name: string
  observedAt: Time
  failed: string
  lookSeconds: Num
  brokers: Num
  brokersUp: Num
  topics: Num
  partitions: Num
  gaps: Num
}

export interface Gap {
  cluster: string
  what: string
  reason: string
  text: string
}

export interface Event {
  at: Time
  kind: string
  cluster: string
  group: string
  text: string
}

export interface Answer {
  apiVersion: string
  kind: string
  sequence: number
  observedAt: Time
}

export interface Summary extends Answer {
  version: string
  demo: boolean
  verdict: { level: 'failing' | 'unknown' | 'behind' | 'ok'; text: string; worst: Name }
  groups: number
  states: Partial<Record<State, number>>
  lag: Lag
  timeLag: TimeLag
  timeLagUnknown: number
  slowest: Name
  alerts: { critical: number; warning: number; other: number; pending: number }
  clusters: Cluster[]
  events: Event[]
  errors: Gap[]
}

export interface Snapshot extends Answer {
  summary: Summary
  groups: Group[]
}

export interface Patch extends Answer {
  summary: Summary
  groups: Row[]
  gone: Name[]
}

export interface Partition {
  topic: string
  id: number
  state: State
  reason: string
  logStart: Num
  committed: Num
  logEnd: Num
  lag: Num
  lost: number
  timeLag: TimeLag
  arrivals: Rate
  consumption: Rate
  owner: string
}

export interface Member {
  id: string
  instanceId: string
  client: string
  host: string
  partitions: number
  lag: Num
}

export interface Alert {
  name: string
  state: 'pending' | 'firing' | 'resolved'
  severity: string
  labels: Record<string, string>
  annotations: Record<string, string> | null
  value: Num
  activeSince: Time
  firedAt: Time
  resolvedAt: Time
  dataMissingSince: Time
}

export interface GroupDetail extends Answer {
  group: Group
  replicaCapacity: Rate
  assignor: string
  thresholds: { pipeline: string; lagRecords: Num; drain: Num; timeLag: Num; skew: Num; membersMin: Num }
  partitions: Partition[]
  members: Member[]
  alerts: Alert[]
  events: Event[]
  errors: Gap[]
}

export interface AlertList extends Answer {
  alerts: Alert[]
  errors: Gap[]
}
