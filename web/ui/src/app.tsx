// The frame around every page.
import { effect } from '@preact/signals'
import { useEffect, useRef, useState } from 'preact/hooks'
import { LocationProvider, Route, Router, useLocation } from 'preact-iso'
import { AlertsPage } from './alerts'
import { CapacityPage } from './capacity'
import { duration } from './format'
import { GroupPage } from './group'
import { Overview } from './overview'
import { GraphPage, RulesPage, TargetsPage } from './prometheus'
import { connection, dataAge, refused, summary, togglePause } from './store'
import { typing } from './table'
import { theme, toggleTheme } from './theme'

// What the server answers itself is no page of ours: the browser shall ask for it.
const ours = /^\/(?!api\/|runbooks\/|metrics|federate|healthz|readyz|-\/)/

// The tab says how many groups fail, for who has it open behind others.
effect(() => {
  const s = summary.value?.states
  const failing = s ? (s.growing ?? 0) + (s.stalled ?? 0) + (s.stopped ?? 0) : 0
  document.title = `${failing ? `× ${failing} · ` : ''}tidemark`
})

export function App() {
  return (
    <LocationProvider scope={ours}>
      <Header />
      <Ribbon />
      <main id="main" tabIndex={-1}>
        {refused.value && <p class="problem">{refused.value}</p>}
        <Router>
          <Route path="/" component={Overview} />
          <Route path="/groups/:cluster/:group" component={GroupPage} />
          <Route path="/capacity" component={CapacityPage} />
          <Route path="/alerts" component={AlertsPage} />
          <Route path="/rules" component={RulesPage} />
          <Route path="/targets" component={TargetsPage} />
          <Route path="/graph" component={GraphPage} />
          <Route default component={NotFound} />
        </Router>
      </main>
      <Footer />
    </LocationProvider>
  )
}

const pages = [['/', 'Overview'], ['/capacity', 'Capacity'], ['/alerts', 'Alerts'], ['/rules', 'Rules'], ['/targets', 'Targets'], ['/graph', 'Graph']]

function Header() {
  const { path } = useLocation()
  const [help, setHelp] = useState(false)
  useEffect(() => {
    const pressed = (e: KeyboardEvent) => {
      if (typing(e)) return
      if (e.key === 't') toggleTheme()
      if (e.key === 'l') togglePause()
      if (e.key === '?') setHelp(h => !h)
    }
    addEventListener('keydown', pressed)
    return () => removeEventListener('keydown', pressed)
  }, [])
  const a = summary.value?.alerts
  const firing = a ? a.critical + a.warning : 0
  return (
    <header>
      <a class="skip" href="#main">To the content</a>
      <a class="brand" href="/"><img src="/favicon.svg" alt="" width="20" height="20" /> tidemark</a>
      <nav aria-label="Pages">
        {pages.map(([to, name]) => (
          <a key={to} href={to} aria-current={path === to || (to === '/' && path.startsWith('/groups/')) ? 'page' : undefined}>
            {name}{name === 'Alerts' && firing > 0 && <span class={`badge ${a?.critical ? 'crit' : 'warn'}`}>{firing}</span>}
          </a>
        ))}
      </nav>
      <Connection />
      <button type="button" class="icon" title="light or dark (t)" aria-label="Switch between light and dark" onClick={toggleTheme}>{theme.value === 'dark' ? '☀' : '☾'}</button>
      <button type="button" class="icon" title="keys (?)" aria-label="Keys" onClick={() => setHelp(true)}>?</button>
      {help && <Help close={() => setHelp(false)} />}
    </header>
  )
}

const tooOld = 60 // seconds: four looks at the default interval

function Connection() {
  const age = dataAge.value
  const state = connection.value
  const stale = state === 'live' && age !== null && age > tooOld
  const word = stale ? 'stale' : state
  const tone = stale ? 'crit' : state === 'live' ? 'ok' : state === 'paused' ? 'grey' : 'warn'
  const shape = { ok: '●', crit: '×', grey: '‖', warn: '○' }[tone]
  return (
    <button type="button" class={`connection ${tone}`} title="age of the oldest data shown; pause or go on (l)" onClick={togglePause}>
      <span class="shape" aria-hidden="true">{shape}</span> {word}{age !== null && ` · ${age < 10 ? `${age.toFixed(1)}s` : duration(age)}`}
    </button>
  )
}

const keys = [['/', 'filter'], ['j k', 'next, previous row'], ['Enter', 'open'], ['t', 'light or dark'], ['l', 'pause or go on'], ['[ ]', 'shorter or longer time'], ['?', 'these keys']]

function Help({ close }: { close: () => void }) {
  const box = useRef<HTMLDialogElement>(null)
  useEffect(() => box.current?.showModal(), [])
  return (
    <dialog ref={box} onClose={close} onClick={e => e.target === e.currentTarget && e.currentTarget.close()} aria-label="Keys">
      <h2>Keys</h2>
      <dl>{keys.map(([k, does]) => <div key={k}><dt><kbd>{k}</kbd></dt><dd>{does}</dd></div>)}</dl>
      <form method="dialog"><button type="submit">Close</button></form>
    </dialog>
  )
}

function Ribbon() {
  const [closed, setClosed] = useState(sessionStorage.getItem('ribbon') === 'closed')
  if (!summary.value?.demo || closed) return null
  const close = () => {
    sessionStorage.setItem('ribbon', 'closed')
    setClosed(true)
  }
  return (
    <aside class="ribbon">
      <span><b>Demo.</b> Everything here happens in memory on this machine. With your cluster: <code>tidemark serve --kafka.server=host:9092</code></span>
      <button type="button" onClick={close} aria-label="Dismiss">×</button>
    </aside>
  )
}

function NotFound() {
  return <section><h1>No such page</h1><p><a href="/">To the overview</a></p></section>
}

function Footer() {
  return (
    <footer>
      tidemark {summary.value?.version} · <a href="/metrics">metrics</a> · <a href="/api/docs">API</a> · <a href="/readyz">ready</a>
    </footer>
  )
}
