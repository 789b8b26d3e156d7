// Pages that show one answer of the API, and ask again when the stream brings a
// newer View.
import { useEffect, useState } from 'preact/hooks'
import { api, summary } from './store'

// keep shows the answer to the path before until there is one to this.
export function useAnswer<T>(path: string, keep = false) {
  const [answer, set] = useState<T | null>(null)
  const [error, setError] = useState('')
  const sequence = summary.value?.sequence ?? 0
  useEffect(() => {
    if (!keep) set(null)
    setError('')
  }, [path])
  useEffect(() => {
    if (!path) return
    const stop = new AbortController()
    api<T>(path, stop.signal)
      .then(a => { set(a); setError('') })
      .catch(err => stop.signal.aborted || setError(String(err.message)))
    return () => stop.abort()
  }, [path, sequence])
  return { answer, error }
}
