// Generated from web/model.go: TIDEMARK_UPDATE=1 go test -run TypeScript ./web

export type Num = number | null // null: not known
export type Time = string | null
export type State = 'idle' | 'caught_up' | 'draining' | 'steady' | 'growing' | 'stalled' | 'stopped' | 'unknown'

/** Object opens every answer. */
export interface Object {
  apiVersion: string
  kind: string
  sequence: number // of the View; grows by one with each
  observedAt: Time // when the View was made
}

/** Summary is what the whole View comes to. */
export interface Summary extends Object {
  version: string
  demo: boolean
  verdict: Verdict
  groups: number
  states: Record<string, number> // how many groups are in each state
  lag: Lag // of all groups together
  timeLag: TimeLag // the longest that is known
  timeLagUnknown: number // how many groups may wait longer, for all that is known
  slowest: Name // whose time lag that is
  alerts: AlertCount
  clusters: Cluster[]
  events: Event[] // the latest, newest first
  errors: Gap[] // the first of what was not seen; clusters[].gaps counts all
}

/** Verdict is the one sentence for who has time for one sentence. */
export interface Verdict {
  level: 'failing' | 'unknown' | 'behind' | 'ok'
  text: string
  worst: Name // whom it is about most; empty when all is well
}

/** Name names a group of a cluster. */
export interface Name {
  cluster: string
  group: string
}

/** AlertCount counts the firing alerts by severity, and those that pend. */
export interface AlertCount {
  critical: number
  warning: number
  other: number
  pending: number
}

/** Cluster says how far the latest look at a cluster can be trusted. */
export interface Cluster {
  name: string
  observedAt: Time // null: never seen yet
  failed: string // why the latest look brought nothing; empty: it did
  lookSeconds: Num
  brokers: Num
  brokersUp: Num
  topics: Num
  partitions: Num // as groups read them: one counts once for each group
  gaps: Num
}

/** Gap is something that was not seen, and why. */
export interface Gap {
  cluster: string
  what: string
  reason: string
  text: string
}

/** Lag is a lag in records and how far it is known. */
export interface Lag {
  records: Num // the whole lag, or null
  known: Num // the part of it that was seen
  complete: boolean
  partitions: number
  missing: number // partitions whose lag was not seen
  uncommitted: number // partitions never committed, no part of records
  uncommittedRecords: number
  lost: number // deleted by retention before they were read
}

/** TimeLag is how long the oldest unread record has waited. */
export interface TimeLag {
  seconds: Num
  error: Num // give or take
}

/** Rate is records per second. */
export interface Rate {
  perSecond: Num
  error: Num // one standard deviation
}

/** Drain is how many seconds until the lag is gone. All are null when the state says that there is no such moment. */
export interface Drain {
  p10: Num
  p50: Num
  p90: Num
}

/** Replicas says how many consumers there are and how many it takes. */
export interface Replicas {
  have: Num
  needed: Num
  useful: Num
  partitionsNeeded: Num
}

/** Row is a group in a list. It holds no slice and no pointer, so that == says whether anything about it has changed. */
export interface Row {
  cluster: string
  group: string
  type: string
  phase: string
  state: State
  since: Time // the state, as far as this process has watched
  because: string
  reason: string // why the latest look did not see it whole
  fresh: boolean // seen in the cluster's latest look
  observedAt: Time // when its commits were told
  lag: Lag
  timeLag: TimeLag
  arrivals: Rate
  consumption: Rate
  slope: Num // records per second by which the lag grows
  drain: Drain
  replicas: Replicas
  replicaCapacity: Rate // what one replica reads when it never waits
  headroom: Num // share of what the replicas can read that does not arrive; negative: they cannot keep up
  skew: Num
  members: Num
  alerts: number // firing now
  pipeline: string // that watches the group; empty: none
  owner: string // of the pipeline
}

/** Group is a row and its latest totals, oldest first; null where none was complete. */
export interface Group extends Row {
  trend: Num[]
}

/** GroupList is every group of every cluster. */
export interface GroupList extends Object {
  groups: Group[]
  errors: Gap[]
}

/** GroupDetail is all about one group. */
export interface GroupDetail extends Object {
  group: Group
  explanation: Explanation
  assignor: string
  thresholds: Thresholds
  partitions: Partition[]
  members: Member[]
  alerts: Alert[]
  events: Event[]
  errors: Gap[]
}

/** Explanation says in words what is wrong, why, and what to do. */
export interface Explanation {
  headline: string
  facts: Fact[]
  takes: string // what it takes to meet the target; empty: not known
  allows: string // what the partitions allow, if that is less
  options: Option[] // best first
}

/** Fact is one line of an explanation. */
export interface Fact {
  name: string
  text: string
}

/** Option is something that one could do. */
export interface Option {
  text: string
  command: string // to type for it; empty: there is none
}

/** Plan is what would be with other replicas, partitions or arrivals, if the load is spread evenly. */
export interface Plan extends Object {
  cluster: string
  group: string
  replicas: number
  replicasNow: Num
  partitions: number
  partitionsNow: number
  backlog: Num
  arrivals: Num // records per second, assumed
  replicaCapacity: Rate
  together: Num // what all replicas read, in records per second
  net: Num // together less arrivals
  drain: Drain
  targetSeconds: Num
  utilisation: Num // how much of a replica the need counts on
  needed: Num // replicas that meet the target
  met: boolean // the plan meets the target
  text: string
  commands: Command[] // what to type for it
}

/** Command is a line to type, for those who have the named tool. */
export interface Command {
  as: string
  text: string
}

/** Thresholds are those of the group's pipeline; null where it sets none. */
export interface Thresholds {
  lagRecords: Num
  drain: Num
  timeLag: Num
  skew: Num
  membersMin: Num
}

/** Partition is one partition as the group reads it. What an open transaction holds back begins at stable: who reads only what is committed cannot go on. */
export interface Partition {
  topic: string
  id: number
  state: State
  reason: string
  logStart: Num
  committed: Num // null: never, or not seen; the reason says which
  logEnd: Num
  lag: Num
  lost: Num // deleted by retention before they were read
  leader: Num // broker; -1: there is none; null: not seen
  observedAt: Time // when the leader told the end
  heldSince: Time // an open transaction holds readers back; null: none is known to
  stable: Num // where it holds them
  timeLag: TimeLag
  arrivals: Rate
  consumption: Rate
  owner: string // id of the member; empty: nobody
}

/** Member is one consumer of the group. */
export interface Member {
  id: string
  instanceId: string
  client: string
  host: string
  partitions: number
  lag: Num // of what it owns, if all of that is known
}

/** Alert is one rule's verdict about one set of labels. */
export interface Alert {
  name: string
  state: 'pending' | 'firing' | 'resolved'
  severity: string
  labels: Record<string, string>
  annotations: Record<string, string>
  value: Num
  activeSince: Time
  firedAt: Time
  resolvedAt: Time
  dataMissingSince: Time
}

/** AlertList is every alert that is active or was resolved just now. */
export interface AlertList extends Object {
  alerts: Alert[]
  errors: Gap[]
}

/** Event is something that happened. */
export interface Event {
  at: Time
  kind: string
  cluster: string
  group: string // empty: about the cluster
  text: string
}

/** Snapshot opens a stream: all of it. */
export interface Snapshot extends Object {
  summary: Summary
  groups: Group[]
}

/** Patch is what has changed since the snapshot or patch before it. A group that only grew older is not in it: if it is fresh, it was observed with its cluster. Nor are trends: whoever keeps them adds the present total of each group of a cluster whose observedAt moved on. */
export interface Patch extends Object {
  summary: Summary
  groups: Row[]
  gone: Name[]
}

/** ClusterList is every cluster, and how far what is shown of it can be trusted. */
export interface ClusterList extends Object {
  clusters: ClusterDetail[]
}

/** ClusterDetail is all about one cluster's latest look. */
export interface ClusterDetail extends Cluster {
  nodes: Broker[]
  states: Record<string, number> // how many groups are in each state
  requests: RequestCount[] // since its collector was opened
  errors: Gap[] // the first 200
}

/** Broker is one broker of a cluster, also for a while after it has left. */
export interface Broker {
  id: number
  address: string
  up: boolean // it answered in the latest look
  leftAt: Time // null: it is a member
}

/** RequestCount is how many requests of one API a cluster was sent. */
export interface RequestCount {
  api: string
  count: number
}

/** Topology says which groups read which topics. */
export interface Topology extends Object {
  topics: Topic[]
  reads: Read[]
  errors: Gap[]
}

/** Topic is a topic and how its partitions are. */
export interface Topic {
  cluster: string
  name: string
  partitions: number
  leaderless: Num // partitions without a leader; null: not all were seen
  outOfSync: Num // partitions with replicas out of sync
}

/** Read is one topic as one group reads it. */
export interface Read {
  cluster: string
  topic: string
  group: string
  partitions: number
  lag: Lag
  arrivals: Num // records per second; null unless known for every partition
}

/** DrillList is what can be drilled, and what came of it. */
export interface DrillList extends Object {
  drills: Drill[]
}

/** Drill is one drill and its reports, newest first. */
export interface Drill {
  name: string
  title: string
  reports: DrillReport[]
}

/** DrillReport is what a drill showed; `tidemark drill run -o json` writes the same. */
export interface DrillReport {
  drill: string
  title: string
  group: string
  topic: string
  startedAt: Time
  tookSeconds: Num
  passed: boolean
  drain: DrillDrain | null // null: none was measured to its end
  steps: DrillStep[]
}

/** DrillDrain is a drain as a drill measured it. */
export interface DrillDrain {
  fromRecords: Num
  tookSeconds: Num
  replicas: Num
  replicaCapacityPerSecond: Num
  replicaCapacityErrorPerSecond: Num
}

/** DrillStep is one line of a drill, carried out. */
export interface DrillStep {
  number: number
  text: string
  verdict: string
  seen: string
  tookSeconds: Num
}

/** Replay is what an alert would have done over a time that history keeps. */
export interface Replay extends Object {
  rule: string
  forSeconds: Num
  from: Time
  to: Time
  firings: Firing[] // oldest first
  threshold: Num // which would at least have halved the firings; null: none would
  holdSeconds: Num // the same, for how long it must hold
}

/** Firing is one time that an alert would have fired about one thing. */
export interface Firing {
  labels: Record<string, string>
  activeAt: Time // the condition began to hold
  firedAt: Time
  endedAt: Time // null: it still fired at the end
  worst: Num // the value farthest beyond the threshold
}
