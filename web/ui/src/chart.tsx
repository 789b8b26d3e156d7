// A chart of series over time, with limits and, where there is one, the way the
// lag will go.
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { useEffect, useRef, useState } from 'preact/hooks'
import { count, rate } from './format'
import { theme } from './theme'

export interface Line {
  name: string
  tone: string // a custom property's name
  dashed?: boolean
  values: (number | null)[]
}

export interface Ahead {
  at: number // unix seconds
  from: number
  p10: number | null // seconds until it is gone
  p50: number | null
  p90: number | null
  slope: number | null // for a lag that grows
}

export interface Mark {
  at: number // unix seconds
  tone: string
  text: string
}

interface Props {
  times: number[] // unix seconds
  lines: Line[]
  limits?: { at: number; tone: string; name: string }[]
  marks?: Mark[] // what happened, as lines from top to bottom
  ahead?: Ahead
  to?: number // unix seconds at the right edge; absent: where the lines end
  height?: number
  label: string // what the chart shows, for who cannot see it
  fill?: boolean
  says?: (value: number | null) => string // a value in words; absent: a number
}

export function Chart({ times, lines, limits = [], marks = [], ahead, to, height = 260, label, fill, says = shown }: Props) {
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  const live = useRef<Live>({ limits, marks, ahead, to })
  live.current = { limits, marks, ahead, to }
  const shape = `${theme.value} ${lines.map(l => l.name + l.tone).join()} ${height}`
  useEffect(() => {
    const element = box.current!
    const colour = resolver(element)
    const made = new uPlot(options(element, lines, height, colour, live, says, fill), [times, ...lines.map(l => l.values)], element)
    plot.current = made
    const watch = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }))
    watch.observe(element)
    return () => {
      watch.disconnect()
      made.destroy()
      plot.current = null
    }
  }, [shape])
  useEffect(() => plot.current?.setData([times, ...lines.map(l => l.values)]), [times, lines, limits, marks, ahead, to])
  return (
    <>
      <div class="chart" ref={box} role="img" aria-label={label} style={{ minHeight: `${height}px` }} />
      <Twin times={times} lines={lines} label={label} says={says} />
    </>
  )
}

const twinRows = 60

// Twin is the chart for who cannot see one, made only when it is opened.
function Twin({ times, lines, label, says }: Pick<Props, 'times' | 'lines' | 'label'> & { says: (value: number | null) => string }) {
  const [open, set] = useState(false)
  const every = Math.max(1, Math.ceil(times.length / twinRows))
  const picked = open ? times.map((_, i) => i).filter(i => (times.length - 1 - i) % every === 0) : []
  return (
    <details class="twin" onToggle={e => set(e.currentTarget.open)}>
      <summary>as a table</summary>
      <table>
        <caption class="hidden">{label}</caption>
        <thead><tr><th scope="col">Time</th>{lines.map(l => <th key={l.name} scope="col" class="num">{l.name}</th>)}</tr></thead>
        <tbody>{picked.map(i => <tr key={i}><td>{timeLabel(times[i], 1)}</td>{lines.map(l => <td key={l.name} class="num">{says(l.values[i] ?? null)}</td>)}</tr>)}</tbody>
      </table>
    </details>
  )
}

const shown = (v: number | null) => (v !== null && Math.abs(v) < 100 ? rate(v) : count(v))

type Live = Pick<Props, 'limits' | 'marks' | 'ahead' | 'to'>
type Colour = (name: string) => string

// resolver turns the name of a custom property into the colour it has now: a
// canvas does not understand light-dark().
function resolver(parent: HTMLElement): Colour {
  return name => {
    const probe = document.createElement('i')
    probe.style.color = `var(--${name})`
    parent.append(probe)
    const colour = getComputedStyle(probe).color
    probe.remove()
    return colour
  }
}

function options(element: HTMLElement, lines: Line[], height: number, colour: Colour, live: { current: Live }, says: (value: number | null) => string, fill?: boolean): uPlot.Options {
  const axis = { stroke: colour('muted'), grid: { stroke: colour('line'), width: 1 }, ticks: { show: false }, font: '11px system-ui, sans-serif' }
  return {
    width: element.clientWidth || 600,
    height,
    cursor: { points: { size: 6 }, drag: { x: false, y: false } },
    legend: { show: false },
    scales: {
      x: { range: (_, min, max) => [min, Math.max(max, live.current.to ?? 0)] },
      y: { range: (_, __, max) => [0, Math.max(max ?? 0, ...(live.current.limits ?? []).map(l => l.at), 1) * 1.08] },
    },
    axes: [
      { ...axis, values: (_, ticks, __, ___, apart) => ticks.map(t => timeLabel(t, apart)), space: 70, size: 28 },
      { ...axis, size: 58, values: (_, ticks) => ticks.map(says) },
    ],
    series: [
      {},
      ...lines.map(l => ({ label: l.name, stroke: colour(l.tone), width: 1.75, dash: l.dashed ? [5, 4] : undefined, points: { show: false }, fill: fill ? faint(colour(l.tone)) : undefined })),
    ],
    hooks: {
      draw: [u => { drawMarks(u, colour, live.current.marks ?? []); drawLimits(u, colour, live.current.limits ?? []); drawAhead(u, colour, live.current.ahead) }],
      setCursor: [u => tip(u, lines, live.current.marks ?? [], says)],
    },
  }
}

const faint = (rgb: string) => rgb.replace('rgb(', 'rgba(').replace(')', ', 0.12)')

// roomFor says where a chart should end that shows where the lag goes: when it
// is gone, but no further ahead than the range looks back.
export function roomFor(range: number, ahead?: Ahead): number | undefined {
  if (!ahead) return undefined
  const room = ahead.p90 ?? ahead.p50 ?? (ahead.slope ? range / 4 : 0)
  return ahead.at + Math.min(room * 1.1, range)
}

// timeLabel is as fine as the distance between the marks.
export function timeLabel(t: number, apart: number): string {
  const text = new Date(t * 1000).toLocaleString('sv-SE') // 2026-11-23 14:32:05, in local time
  return apart < 60 ? text.slice(11) : apart < 86400 ? text.slice(11, 16) : text.slice(5, 10)
}

function drawLimits(u: uPlot, colour: Colour, limits: NonNullable<Props['limits']>) {
  const { ctx, bbox } = u
  ctx.save()
  ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`
  ctx.textAlign = 'left'
  ctx.textBaseline = 'bottom'
  limits.forEach((limit, i) => {
    const y = u.valToPos(limit.at, 'y', true)
    ctx.strokeStyle = ctx.fillStyle = colour(limit.tone)
    ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio])
    line(ctx, [[bbox.left, y], [bbox.left + bbox.width, y]])
    // Side by side, because on a high chart two limits lie close to each other.
    ctx.fillText(limit.name, bbox.left + (6 + 56 * i) * devicePixelRatio, y - 2 * devicePixelRatio)
  })
  ctx.restore()
}

function drawMarks(u: uPlot, colour: Colour, marks: Mark[]) {
  const { ctx, bbox } = u
  ctx.save()
  ctx.lineWidth = devicePixelRatio
  ctx.setLineDash([])
  for (const mark of marks) {
    const x = u.valToPos(mark.at, 'x', true)
    if (x < bbox.left || x > bbox.left + bbox.width) continue
    ctx.strokeStyle = ctx.fillStyle = colour(mark.tone)
    ctx.globalAlpha = 0.5
    line(ctx, [[x, bbox.top], [x, bbox.top + bbox.height]])
    ctx.globalAlpha = 1
    const half = 4 * devicePixelRatio
    ctx.beginPath()
    for (const [dx, dy] of [[-half, 0], [half, 0], [0, 1.5 * half]]) ctx.lineTo(x + dx, bbox.top + dy)
    ctx.fill()
  }
  ctx.restore()
}

function drawAhead(u: uPlot, colour: Colour, ahead?: Ahead) {
  if (!ahead) return
  const { ctx, bbox } = u
  const point = (after: number, lag: number): [number, number] => [u.valToPos(ahead.at + after, 'x', true), u.valToPos(lag, 'y', true)]
  ctx.save()
  ctx.beginPath()
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height)
  ctx.clip()
  ctx.lineWidth = 1.75 * devicePixelRatio
  ctx.setLineDash([3 * devicePixelRatio, 4 * devicePixelRatio])
  ctx.strokeStyle = colour(ahead.p50 === null ? 'crit' : 'ok')
  if (ahead.p10 !== null && ahead.p90 !== null) {
    ctx.fillStyle = faint(colour('ok'))
    ctx.beginPath()
    for (const [x, y] of [point(0, ahead.from), point(ahead.p10, 0), point(ahead.p90, 0)]) ctx.lineTo(x, y)
    ctx.fill()
  }
  if (ahead.p50 !== null) line(ctx, [point(0, ahead.from), point(ahead.p50, 0)])
  else if (ahead.slope !== null) line(ctx, [point(0, ahead.from), point(86400, ahead.from + 86400 * ahead.slope)])
  ctx.restore()
}

function line(ctx: CanvasRenderingContext2D, points: [number, number][]) {
  ctx.beginPath()
  for (const [x, y] of points) ctx.lineTo(x, y)
  ctx.stroke()
}

const near = 6 // pixels between the cursor and a mark that it points at

// tip writes what is under the cursor into the chart's corner.
function tip(u: uPlot, lines: Line[], marks: Mark[], says: (value: number | null) => string) {
  let note = u.over.querySelector<HTMLElement>('.tip')
  if (!note) {
    note = document.createElement('div')
    note.className = 'tip'
    u.over.append(note)
  }
  const i = u.cursor.idx
  if (i == null) return void (note.textContent = '')
  const at = new Date(u.data[0][i] * 1000).toLocaleTimeString('en-GB')
  const values = lines.slice(0, 6).map((l, n) => {
    const v = u.data[n + 1][i] ?? null
    return `${lines.length > 1 ? `${l.name} ` : ''}${says(v)}`
  })
  const left = u.cursor.left ?? -1
  const happened = marks.filter(m => Math.abs(u.valToPos(m.at, 'x') - left) <= near).map(m => m.text)
  note.textContent = [`${at}  ${values.join(' · ')}`, ...happened.slice(-3)].join('\n')
}
