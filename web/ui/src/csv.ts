// Tables as files for a spreadsheet.
import type { Column } from './table'

// csvOf writes what the columns order by, which is the exact number where the
// page shows a rounded one. Not known is an empty cell.
export function csvOf<T>(columns: Column<T>[], rows: T[]): string {
  const kept = columns.filter(c => c.sort)
  return [kept.map(c => c.key), ...rows.map(row => kept.map(c => c.sort!(row)))].map(line => line.map(cell).join(',')).join('\r\n') + '\r\n'
}

// A spreadsheet would take a text that begins with one of these for a formula,
// and names come from whoever may write to Kafka.
const formula = /^[=+\-@\t\r]/

function cell(value: string | number | null): string {
  if (value === null || typeof value === 'number') return value === null ? '' : String(value)
  const text = formula.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

// save hands a text to the browser as a file.
export function save(name: string, type: string, text: string) {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([text], { type }))
  link.download = name.replace(/[^\w.-]+/g, '_')
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}
