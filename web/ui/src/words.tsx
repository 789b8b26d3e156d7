// States, ages and links: the small pieces every page uses.
import { ageOf, clockTime, dateTime, duration } from './format'
import { now, seenAt } from './store'
import type { Event, Group, Name, State, Time } from './types'

interface Look {
  shape: string
  tone: 'ok' | 'warn' | 'crit' | 'never' | 'grey'
  word: string
  means: string
  severity: number
}

export const states: Record<State, Look> = {
  growing: { shape: '×', tone: 'crit', word: 'growing', means: 'more arrives than is consumed', severity: 3 },
  stalled: { shape: '∞', tone: 'never', word: 'stalled', means: 'has members and is behind, but no commit moves', severity: 3 },
  stopped: { shape: '∞', tone: 'never', word: 'stopped', means: 'has no members and is behind', severity: 3 },
  unknown: { shape: '–', tone: 'grey', word: 'unknown', means: 'not seen whole, too old, or not seen long enough', severity: 2 },
  steady: { shape: '!', tone: 'warn', word: 'steady', means: 'behind, neither falling nor growing', severity: 1 },
  draining: { shape: '!', tone: 'warn', word: 'draining', means: 'behind and catching up', severity: 1 },
  caught_up: { shape: '✓', tone: 'ok', word: 'caught up', means: 'what is behind is on its way', severity: 0 },
  idle: { shape: '✓', tone: 'ok', word: 'idle', means: 'nothing to read', severity: 0 },
}

export function StateWord({ state, reason }: { state: State; reason?: string }) {
  const s = states[state]
  return (
    <span class={`state ${s.tone}`} title={s.means}>
      <span class="shape" aria-hidden="true">{s.shape}</span> {s.word}
      {reason ? <span class="reason"> · {reason.replaceAll('_', ' ')}</span> : null}
    </span>
  )
}

// Age re-renders by itself: only what shows an age follows the clock.
export function Age({ of }: { of: Group }) {
  return <span class={of.fresh ? 'age' : 'age old'} title={of.fresh ? 'seen in the latest look' : 'the latest look did not see this group'}>{duration(ageOf(seenAt(of), now.value))}</span>
}

export function Since({ at }: { at: Time }) {
  return <time dateTime={dateTime(at)} title={dateTime(at)}>{duration(ageOf(at, now.value))}</time>
}

// A Chip says on the object itself what is wrong with it, or was not seen of it.
export function Chip({ tone, title, children }: { tone: 'warn' | 'crit' | 'never' | 'grey'; title?: string; children: preact.ComponentChildren }) {
  return <span class={`cap ${tone}`} title={title}>{children}</span>
}

export function At({ at }: { at: Time }) {
  return <time dateTime={dateTime(at)} title={dateTime(at)}>{clockTime(at)}</time>
}

// kindOf is what an event is about, unless its text begins with it.
export const kindOf = (e: Event) => (e.text.startsWith(e.kind) ? '' : e.kind)

export const pathOf = (n: Name) => `/groups/${encodeURIComponent(n.cluster)}/${encodeURIComponent(n.group)}`

// linkTo leads to a group's page, and from a page about the past to the same moment.
export const linkTo = (n: Name) => {
  const at = new URLSearchParams(location.search).get('at')
  return pathOf(n) + (at ? `?at=${encodeURIComponent(at)}` : '')
}

export function Errors({ errors }: { errors: { what: string; reason: string; text: string }[] }) {
  if (errors.length === 0) return null
  return (
    <details class="gaps">
      <summary><span class="shape" aria-hidden="true">–</span> Not everything was seen: {errors.length}{errors.length === 20 ? ' or more' : ''} gap{errors.length === 1 ? '' : 's'}</summary>
      <ul>{errors.map(e => <li key={e.what}><b>{e.what}</b> {e.reason} {e.text}</li>)}</ul>
    </details>
  )
}

// shellWord writes text so that a shell takes it for one word.
export const shellWord = (text: string) => (/^[\w./:@%+=][\w./:@%+=-]*$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`)

// Copies are lines to be pasted elsewhere. Browsers let a page copy only over TLS
// or from this machine.
export function Copies({ lines }: { lines: { as: string; text: string }[] }) {
  return (
    <dl class="copies">
      {lines.map(({ as, text }) => (
        <div key={as}>
          <dt>{as}</dt>
          <dd><code>{text}</code> {navigator.clipboard && <button type="button" aria-label={`Copy for ${as}`} onClick={() => navigator.clipboard.writeText(text)}>copy</button>}</dd>
        </div>
      ))}
    </dl>
  )
}
