// Series over time, from the Prometheus API.
import { useEffect, useState } from 'preact/hooks'
import { prometheus } from './store'
import type { Name } from './types'

export const ranges: Record<string, number> = { '15m': 900, '1h': 3600, '6h': 21600, '24h': 86400, '7d': 604800 }

export interface Series {
  metric: Record<string, string>
  values: (number | null)[] // one for each time; null where there was none
}

export interface Past {
  times: number[] // unix seconds
  series: Series[][] // for each query
  error: string
}

const none: Past = { times: [], series: [], error: '' }

interface Matrix {
  result: { metric: Record<string, string>; values: [number, string][] }[]
}

// usePast asks each query over the seconds before a moment, or over the last
// ones, and then again when a step has passed.
export function usePast(queries: string[], seconds: number, until: number | null = null): Past {
  const [past, set] = useState(none)
  const all = queries.join('\n')
  useEffect(() => {
    const stop = new AbortController()
    const step = Math.max(1, Math.ceil(seconds / 400))
    const load = async () => {
      const to = Math.floor((until ?? Date.now() / 1000) / step) * step
      const times = Array.from({ length: Math.floor(seconds / step) + 1 }, (_, i) => to - seconds + i * step)
      try {
        const answers = await Promise.all(queries.map(q => range(q, times, step, stop.signal)))
        set({ times, series: answers, error: '' })
      } catch (err) {
        if (!stop.signal.aborted) set({ ...none, error: String((err as Error).message) })
      }
    }
    if (all.trim()) void load()
    else set(none)
    const timer = until === null ? window.setInterval(load, Math.max(10, step) * 1000) : 0
    return () => {
      stop.abort()
      window.clearInterval(timer)
    }
  }, [all, seconds, until])
  return past
}

export interface Sample {
  metric: Record<string, string>
  value: number
}

// instant asks what the series were at one moment, in unix seconds.
export async function instant(query: string, at: number, stop: AbortSignal): Promise<Sample[]> {
  const q = new URLSearchParams({ query, time: String(at) })
  const { result } = await prometheus<{ result: { metric: Record<string, string>; value: [number, string] }[] }>(`/query?${q}`, stop)
  return result.map(({ metric, value }) => ({ metric, value: Number(value[1]) })).filter(s => Number.isFinite(s.value))
}

// selector writes the labels that choose one group's series.
export const selector = (n: Name, more = '') => `{cluster=${JSON.stringify(n.cluster)},consumergroup=${JSON.stringify(n.group)}${more && `,${more}`}}`

async function range(query: string, times: number[], step: number, stop: AbortSignal): Promise<Series[]> {
  const q = new URLSearchParams({ query, start: String(times[0]), end: String(times[times.length - 1]), step: String(step) })
  const { result } = await prometheus<Matrix>(`/query_range?${q}`, stop)
  return result.map(({ metric, values }) => {
    const at = new Map(values.map(([t, v]) => [Math.round(t), Number(v)]))
    return { metric, values: times.map(t => finite(at.get(t))) }
  })
}

const finite = (n: number | undefined) => (n === undefined || !Number.isFinite(n) ? null : n)
