// One table for everything: sortable, its order in the URL, only the rows in
// sight in the document, so that 10,000 of them scroll smoothly.
import type { ComponentChildren } from 'preact'
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import { useLocation } from 'preact-iso'
import { csvOf, save } from './csv'

export interface Column<T> {
  key: string
  name: string
  title?: string
  num?: boolean
  sort?: (row: T) => number | string | null // absent: no order
  up?: boolean // the first click orders from small to large
  cell: (row: T) => ComponentChildren
}

interface Props<T> {
  caption: string
  columns: Column<T>[]
  rows: T[] // in the order without a click
  id: (row: T) => string
  param?: string // in the URL
  card?: number // height of a row as a card on a phone; absent: scrolls sideways
  keys?: boolean // j and k move through this table
  fixed?: boolean // columns have the widths of the style sheet, so that they stay while rows scroll by
  empty?: string
  dim?: (row: T) => boolean
  by?: (row: T) => string // rows are put together under headings of this
  csv?: string // name of the file that the rows can be saved as
}

// A Heading stands between the rows of a table that is put together by something.
class Heading {
  constructor(public name: string, public rows: number) {}
}

const rowHeight = 36
const beyond = 12 // rows kept rendered above and below the sight
const phone = matchMedia('(max-width: 700px)')

export function Table<T extends object>({ caption, columns, rows, id, param = 'sort', card, keys, fixed, empty, dim, by, csv }: Props<T>) {
  const { order, sortBy } = useOrder(columns, param)
  const sorted = useMemo(() => headed(inOrder(rows, columns, order), by), [rows, order, by])
  const height = usePhone() && card ? card : rowHeight
  const body = useRef<HTMLTableSectionElement>(null)
  const [from, to] = useSight(body, sorted.length, height)
  useKeys(body, sorted, height, keys)
  return (
    <div class={`table${card ? ' cards' : ''}${fixed ? ' fixed' : ''}`}>
      <table aria-rowcount={sorted.length + 1}>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map(c => (
              <th key={c.key} scope="col" class={`${c.key}${c.num ? ' num' : ''}`} title={c.title} aria-sort={direction(order, c.key)}>
                {c.sort ? <button type="button" onClick={() => sortBy(c)}>{c.name}<span class="arrow" aria-hidden="true">{arrow(order, c.key)}</span></button> : c.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={body}>
          {from > 0 && <tr class="filler" style={{ height: `${from * height}px` }} aria-hidden="true"><td colSpan={columns.length} /></tr>}
          {sorted.slice(from, to).map((row, i) =>
            row instanceof Heading
              ? <tr key={`heading ${row.name}`} class="heading" style={{ height: `${height}px` }}><th scope="rowgroup" colSpan={columns.length}>{row.name} <span class="muted">{row.rows}</span></th></tr>
              : <Line key={id(row)} row={row} all={sorted} columns={columns} i={from + i} height={height} dim={dim?.(row)} />,
          )}
          {to < sorted.length && <tr class="filler" style={{ height: `${(sorted.length - to) * height}px` }} aria-hidden="true"><td colSpan={columns.length} /></tr>}
          {sorted.length === 0 && <tr class="none"><td colSpan={columns.length}>{empty ?? 'Nothing here.'}</td></tr>}
        </tbody>
      </table>
      {csv && rows.length > 0 && <button type="button" class="csv" onClick={() => save(`${csv}.csv`, 'text/csv', csvOf(columns, inOrder(rows, columns, order)))}>CSV</button>}
    </div>
  )
}

// headed puts rows with the same heading together, in the order in which the
// headings come first: the most urgent heading leads.
function headed<T extends object>(rows: T[], by?: (row: T) => string): (T | Heading)[] {
  if (!by) return rows
  return [...Map.groupBy(rows, by)].flatMap(([name, of]) => [new Heading(name, of.length), ...of])
}

interface LineProps<T> {
  row: T
  all: unknown[]
  columns: Column<T>[]
  i: number
  height: number
  dim?: boolean
}

// Line is made anew only when the rows are: scrolling past leaves it alone.
function Line<T>({ row, all, columns, i, height, dim }: LineProps<T>) {
  return useMemo(() => (
    <tr data-i={i} aria-rowindex={i + 2} class={dim ? 'dim' : undefined} style={{ height: `${height}px` }}>
      {columns.map(c => <td key={c.key} class={`${c.key}${c.num ? ' num' : ''}`} data-name={c.name}>{c.cell(row)}</td>)}
    </tr>
  ), [row, all, columns, i, height, dim])
}

interface Order {
  key: string
  down: boolean
}

const direction = (o: Order | null, key: string) => (o?.key !== key ? undefined : o.down ? 'descending' : 'ascending')
const arrow = (o: Order | null, key: string) => (o?.key !== key ? '' : o.down ? '▾' : '▴')

// useOrder keeps the order in the URL: "-lag" is lag, largest first. A third
// click goes back to the natural order.
function useOrder<T>(columns: Column<T>[], param: string) {
  const { query } = useLocation()
  const setQuery = useSetQuery()
  const text = query[param] ?? ''
  const order = useMemo(() => (text ? { key: text.replace(/^-/, ''), down: text.startsWith('-') } : null), [text])
  const known = order && columns.some(c => c.key === order.key && c.sort) ? order : null
  const sortBy = (c: Column<T>) => {
    const first = c.up ? c.key : `-${c.key}`
    const second = c.up ? `-${c.key}` : c.key
    setQuery(param, text === first ? second : text === second ? '' : first)
  }
  return { order: known, sortBy }
}

export function useSetQuery() {
  const { route } = useLocation()
  return (name: string, value: string) => {
    const to = new URL(location.href)
    if (value) to.searchParams.set(name, value)
    else to.searchParams.delete(name)
    route(to.pathname + to.search, true)
  }
}

// inOrder sorts; what is not known comes last in both directions.
function inOrder<T>(rows: T[], columns: Column<T>[], order: Order | null): T[] {
  const by = order && columns.find(c => c.key === order.key)?.sort
  if (!order || !by) return rows
  const sign = order.down ? -1 : 1
  return rows
    .map(row => ({ row, value: by(row) }))
    .sort((a, b) => {
      if (a.value === null || b.value === null) return a.value === b.value ? 0 : a.value === null ? 1 : -1
      return a.value < b.value ? -sign : a.value > b.value ? sign : 0
    })
    .map(x => x.row)
}

export function usePhone() {
  const [is, set] = useState(phone.matches)
  useEffect(() => {
    const changed = () => set(phone.matches)
    phone.addEventListener('change', changed)
    return () => phone.removeEventListener('change', changed)
  }, [])
  return is
}

// useSight returns which rows are near the sight of the window.
function useSight(body: { current: HTMLElement | null }, length: number, height: number): [number, number] {
  const [start, setStart] = useState(0)
  const shown = Math.ceil(window.innerHeight / height) + 2 * beyond
  useLayoutEffect(() => {
    const look = () => {
      const above = -(body.current?.getBoundingClientRect().top ?? 0)
      // In steps, so that most scroll events change nothing.
      setStart(Math.max(0, Math.floor(above / height / 6) * 6 - beyond))
    }
    look()
    addEventListener('scroll', look, { passive: true })
    addEventListener('resize', look)
    return () => {
      removeEventListener('scroll', look)
      removeEventListener('resize', look)
    }
  }, [length, height])
  const from = Math.min(start, Math.max(0, length - shown))
  return [from, Math.min(length, from + shown)]
}

// useKeys moves the focus from link to link with j and k; Enter then follows it.
function useKeys(body: { current: HTMLElement | null }, rows: unknown[], height: number, on?: boolean) {
  useEffect(() => {
    if (!on) return
    const pressed = (e: KeyboardEvent) => {
      if ((e.key !== 'j' && e.key !== 'k') || typing(e)) return
      const at = Number(document.activeElement?.closest<HTMLElement>('tr[data-i]')?.dataset.i ?? -1)
      const step = e.key === 'j' ? 1 : -1
      let to = at + step
      while (rows[to] instanceof Heading) to += step
      if (!rows[to]) return
      const top = (body.current?.getBoundingClientRect().top ?? 0) + to * height
      if (top < 100) window.scrollBy(0, top - 100)
      else if (top + height > window.innerHeight) window.scrollBy(0, top + height - window.innerHeight + 8)
      const row = () => body.current?.querySelector<HTMLElement>(`tr[data-i="${to}"] a`)
      const link = row()
      if (link) link.focus({ preventScroll: true })
      else requestAnimationFrame(() => requestAnimationFrame(() => row()?.focus({ preventScroll: true })))
    }
    addEventListener('keydown', pressed)
    return () => removeEventListener('keydown', pressed)
  }, [rows, height, on])
}

// typing says whether a key is meant for a field or the browser, not for us.
export const typing = (e: KeyboardEvent) =>
  e.ctrlKey || e.metaKey || e.altKey || (e.target instanceof Element && e.target.matches('input, textarea, select'))
