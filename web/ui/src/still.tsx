// A chart as a picture that needs no program: for exports.
import type { Ahead, Line, Mark } from './chart'

interface Props {
  title: string
  times: number[]
  lines: Line[]
  limits: { at: number; tone: string; name: string }[]
  marks: Mark[]
  ahead?: Ahead
  says: (value: number | null) => string
}

const width = 960
const height = 220
const left = 64
const bottom = 24

export function Still({ title, times, lines, limits, marks, ahead, says }: Props) {
  if (times.length === 0) return <p>{title}: nothing was kept of this time.</p>
  const from = times[0]
  const to = Math.max(times[times.length - 1], from + 1, ...(ahead ? [ahead.at + Math.min(ahead.p90 ?? 0, times[times.length - 1] - from)] : []))
  const top = Math.max(1, ...limits.map(l => l.at), ...lines.flatMap(l => l.values.map(v => v ?? 0))) * 1.08
  const x = (t: number) => left + ((t - from) / (to - from)) * (width - left)
  const y = (v: number) => (1 - v / top) * (height - bottom)
  const [step, shares] = [round(top / 4), [0, 0.25, 0.5, 0.75, 1]]
  return (
    <svg class="still" viewBox={`0 0 ${width} ${height}`} role="img" aria-label={title}>
      {Array.from({ length: Math.floor(top / step) + 1 }, (_, i) => i * step).map(v => (
        <g key={v} class="axis"><line x1={left} x2={width} y1={y(v)} y2={y(v)} /><text x={left - 6} y={y(v) + 4} text-anchor="end">{says(v)}</text></g>
      ))}
      {shares.map(s => (
        <text key={s} class="axis" x={left + s * (width - left)} y={height - 6} text-anchor={s === 0 ? 'start' : s === 1 ? 'end' : 'middle'}>{clock(from + s * (to - from))}</text>
      ))}
      {marks.filter(m => m.at >= from && m.at <= to).map((m, i) => <line key={i} class={`mark ${m.tone}`} x1={x(m.at)} x2={x(m.at)} y1="0" y2={height - bottom}><title>{m.text}</title></line>)}
      {limits.map((l, i) => <g key={l.name} class={`limit ${l.tone}`}><line x1={left} x2={width} y1={y(l.at)} y2={y(l.at)} /><text x={left + 6 + 60 * i} y={y(l.at) - 3}>{l.name}</text></g>)}
      {ahead?.p10 != null && ahead.p90 !== null && <polygon class="band" points={[[ahead.at, ahead.from], [ahead.at + ahead.p10, 0], [ahead.at + ahead.p90, 0]].map(([t, v]) => `${x(t)},${y(v)}`).join(' ')} />}
      {ahead?.p50 != null && <line class="ok dashed" x1={x(ahead.at)} y1={y(ahead.from)} x2={x(ahead.at + ahead.p50)} y2={y(0)} />}
      {lines.map(l => <path key={l.name} class={`${l.tone}${l.dashed ? ' dashed' : ''}`} d={pathThrough(l.values, i => x(times[i]), y)} />)}
    </svg>
  )
}

// clock is in UTC, as all times of an export.
const clock = (t: number) => `${new Date(t * 1000).toISOString().slice(5, 19).replace('T', ' ')}Z`

// round makes a step that people count in: 1, 2 or 5 and zeros.
function round(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step))
  return power * (step < 2 * power ? 1 : step < 5 * power ? 2 : 5)
}

// pathThrough leaves a hole where there was no value.
function pathThrough(values: (number | null)[], x: (i: number) => number, y: (v: number) => number): string {
  return values.map((v, i) => (v === null ? '' : `${i > 0 && values[i - 1] !== null ? 'L' : 'M'}${x(i).toFixed(1)} ${y(v).toFixed(1)}`)).join('')
}
