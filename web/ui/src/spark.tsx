import type { Num } from './types'

const width = 88
const height = 22

// Spark draws a trend. Where a total was not known the line has a hole.
export function Spark({ points, tone }: { points: Num[]; tone: string }) {
  const known = points.filter(p => p !== null)
  if (known.length === 0) return <span class="spark" />
  const top = Math.max(...known)
  const low = Math.min(...known)
  // A record more or less is no mountain: the scale spans at least ten records
  // and a twentieth of the lag.
  const span = Math.max(top - low, 10, top / 20)
  const floor = Math.max(0, (top + low - span) / 2)
  const y = (p: number) => height - 2 - ((p - floor) / span) * (height - 4)
  const x = (i: number) => (points.length === 1 ? 0 : (i / (points.length - 1)) * width)
  let path = ''
  points.forEach((p, i) => {
    if (p !== null) path += `${i > 0 && points[i - 1] !== null ? 'L' : 'M'}${x(i).toFixed(1)} ${y(p).toFixed(1)}`
  })
  if (points.length === 1) path += `H${width}`
  return (
    <svg class={`spark ${tone}`} width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
      <path d={path} />
    </svg>
  )
}
