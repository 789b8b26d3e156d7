// What to do, and what would be, if?
import { useLocation } from 'preact-iso'
import { useAnswer } from './ask'
import { useSetQuery } from './table'
import type { Explanation, GroupDetail, Plan } from './types'
import { Copies, pathOf, shellWord } from './words'

export function WhatToDo({ x }: { x: Explanation }) {
  if (!x.takes && x.options.length === 0) return null
  return (
    <section class="todo">
      <h2>What it takes</h2>
      {x.takes && <p>{x.takes} {x.allows && <b>{x.allows}</b>}</p>}
      <ol>{x.options.map(o => <li key={o.text}>{o.text}{o.command && <> <code>{o.command}</code></>}</li>)}</ol>
    </section>
  )
}

// The wish stands in the URL, so that a plan can be shown to others.
const wishes = ['replicas', 'partitions', 'arrivals', 'target'] as const
type Wish = Partial<Record<(typeof wishes)[number], string>>

export function Planner({ d }: { d: GroupDetail }) {
  const { query } = useLocation()
  const set = useSetQuery()
  const now = { replicas: Math.max(1, d.group.replicas.have ?? 1), partitions: Math.max(1, d.partitions.length) }
  const wish: Wish = { replicas: String(now.replicas), ...pick(query) }
  const { answer: plan, error } = useAnswer<Plan>(`${pathOf(d.group)}/plan?${new URLSearchParams(wish as Record<string, string>)}`, true)
  const partitions = Number(wish.partitions) || now.partitions
  const most = Math.max(4, 2 * partitions, now.replicas, d.group.replicas.needed ?? 0)
  const replicas = Math.min(most, Number(wish.replicas) || 1)
  return (
    <section>
      <h2>What if <small class="muted">the load is spread evenly over the partitions</small></h2>
      <div class="planner">
        <form onSubmit={e => e.preventDefault()}>
          <label for="replicas">Replicas</label>
          <div class="slider">
            <input id="replicas" type="range" min="1" max={most} value={replicas} onInput={e => set('replicas', e.currentTarget.value)} />
            <span class="limit" style={{ left: `${(100 * (partitions - 1)) / (most - 1)}%` }}>▲ {partitions} can work</span>
          </div>
          <output for="replicas">{replicas}</output>
          <label for="partitions">Partitions</label>
          <input id="partitions" type="number" min={now.partitions} value={partitions} onInput={e => set('partitions', Number(e.currentTarget.value) > now.partitions ? e.currentTarget.value : '')} />
          <label for="arrivals">Arrivals</label>
          <div class="tools">
            <Choice name="Arrivals" values={[['', 'now'], ['x2', '×2']]} at={wish.arrivals ?? ''} set={v => set('arrivals', v)} />
            <input id="arrivals" type="number" min="0" step="any" placeholder="per second" value={Number(wish.arrivals) >= 0 ? wish.arrivals : ''} onInput={e => set('arrivals', e.currentTarget.value)} />
          </div>
          <span>Clean within</span>
          <Choice name="Clean within" values={[['', 'as set'], ['5m', '5m'], ['10m', '10m'], ['30m', '30m'], ['1h', '1h']]} at={wish.target ?? ''} set={v => set('target', v)} />
        </form>
        <Outcome d={d} plan={plan} wish={wish} error={error} />
      </div>
    </section>
  )
}

function Outcome({ d, plan, wish, error }: { d: GroupDetail; plan: Plan | null; wish: Wish; error: string }) {
  if (error) return <p class="problem">{error}</p>
  if (!plan) return <p class="wait">Asking the server…</p>
  const [tone, shape] = plan.net === null ? ['grey', '–'] : plan.net <= 0 ? ['crit', '×'] : plan.met ? ['ok', '✓'] : ['warn', '!']
  const flags = wishes.filter(w => wish[w]).map(w => ` --${w} ${wish[w]}`).join('')
  return (
    <div>
      <p class={`outcome ${tone}`} aria-live="polite"><span class="shape" aria-hidden="true">{shape}</span> <span>{plan.text}</span></p>
      {plan.needed !== null && <p class="muted">For the target it takes {plan.needed}. <Copyable d={d} /></p>}
      <Copies lines={[...plan.commands, { as: 'CLI', text: `tidemark plan ${shellWord(d.group.group)}${flags}` }]} />
    </div>
  )
}

// Copyable asks for as many as it takes, on as many partitions as those need.
function Copyable({ d }: { d: GroupDetail }) {
  const set = useSetQuery()
  const { needed, partitionsNeeded } = d.group.replicas
  if (needed === null) return null
  const take = () => {
    set('replicas', String(needed))
    if ((partitionsNeeded ?? 0) > d.partitions.length) set('partitions', String(partitionsNeeded))
  }
  return <button type="button" onClick={take}>show it</button>
}

function Choice({ name, values, at, set }: { name: string; values: [string, string][]; at: string; set: (value: string) => void }) {
  return (
    <div class="choice" role="group" aria-label={name}>
      {values.map(([value, says]) => <button key={value} type="button" aria-pressed={value === at} onClick={() => set(value)}>{says}</button>)}
    </div>
  )
}

const pick = (query: Record<string, string>): Wish => Object.fromEntries(wishes.filter(w => query[w]).map(w => [w, query[w]]))
