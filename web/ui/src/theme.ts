// Light or dark: as the system says, until somebody chooses.
import { effect, signal } from '@preact/signals'

const dark = matchMedia('(prefers-color-scheme: dark)')
const chosen = signal(localStorage.getItem('theme'))
const system = signal(dark.matches ? 'dark' : 'light')

export const theme = signal('light')

dark.addEventListener('change', () => (system.value = dark.matches ? 'dark' : 'light'))
effect(() => {
  theme.value = chosen.value ?? system.value
  document.documentElement.dataset.theme = theme.value
})

export function toggleTheme() {
  const next = theme.value === 'dark' ? 'light' : 'dark'
  chosen.value = next === system.value ? null : next
  if (chosen.value) localStorage.setItem('theme', chosen.value)
  else localStorage.removeItem('theme')
}
