// The frame around every page.
import { effect } from '@preact/signals'
import { useEffect, useRef, useState } from 'preact/hooks'
import { LocationProvider, Route, Router, useLocation } from 'preact-iso'
import { AlertsPage } from './alerts'
import { CapacityPage } from './capacity'
import { ClustersPage } from './clusters'
import { ConnectPage } from './connect'
import { DrillsPage } from './drills'
import { duration } from './format'
import { GroupPage } from './group'
import { Overview } from './overview'
import { MomentRibbon, useMoment } from './past'
import { GraphPage, RulesPage, TargetsPage } from './prometheus'
import { ReplayPage } from './replay'
import { connection, dataAge, refused, summary, togglePause } from './store'
import { typing } from './table'
import { theme, toggleTheme } from './theme'
import { TopologyPage } from './topology'

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
      <MomentRibbon />
      <main id="main" tabIndex={-1}>
        {refused.value && <p class="problem">{refused.value}</p>}
        <Router>
          <Route path="/" component={Overview} />
          <Route path="/groups/:cluster/:group" component={GroupPage} />
          <Route path="/capacity" component={CapacityPage} />
          <Route path="/alerts" component={AlertsPage} />
          <Route path="/topology" component={TopologyPage} />
          <Route path="/clusters" component={ClustersPage} />
          <Route path="/drills" component={DrillsPage} />
          <Route path="/connect" component={ConnectPage} />
          <Route path="/replay" component={ReplayPage} />
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

// Each page with the key that, after g, leads to it.
const pages = [
  ['/', 'Overview', 'o'], ['/capacity', 'Capacity', 'c'], ['/alerts', 'Alerts', 'a'], ['/topology', 'Topology', 't'], ['/clusters', 'Clusters', 'k'],
  ['/drills', 'Drills', 'd'], ['/runbooks/', 'Runbooks', 'b'], ['/rules', 'Rules', 'r'], ['/targets', 'Targets', 's'], ['/graph', 'Graph', 'h'],
]

// useGoing leads to a page with two keys, as g and then a.
function useGoing(route: (to: string) => void) {
  useEffect(() => {
    let begun = 0
    const pressed = (e: KeyboardEvent) => {
      if (typing(e)) return
      const to = Date.now() - begun < 1500 && pages.find(([, , key]) => key === e.key)?.[0]
      begun = e.key === 'g' ? Date.now() : 0
      if (!to) return
      e.stopImmediatePropagation() // the second key has a meaning of its own, too
      if (ours.test(to)) route(to)
      else location.href = to
    }
    addEventListener('keydown', pressed, true)
    return () => removeEventListener('keydown', pressed, true)
  }, [])
}

function Header() {
  const { path, route } = useLocation()
  const [help, setHelp] = useState(false)
  useGoing(route)
  useEffect(() => {
    const pressed = (e: KeyboardEvent) => {
      if (typing(e)) return
      if (e.key === 't') toggleTheme()
      if (e.key === 'l') togglePause()
      if (e.key === 'c') void navigator.clipboard?.writeText(location.href)
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
      <TimeTravel />
      <button type="button" class="icon" title="light or dark (t)" aria-label="Switch between light and dark" onClick={toggleTheme}>{theme.value === 'dark' ? '☀' : '☾'}</button>
      <button type="button" class="icon" title="keys (?)" aria-label="Keys" onClick={() => setHelp(true)}>?</button>
      {help && <Help close={() => setHelp(false)} />}
    </header>
  )
}

const tooOld = 60 // seconds: four looks at the default interval

function Connection() {
  const past = useMoment() !== null
  const age = dataAge.value
  const state = connection.value
  const stale = state === 'live' && age !== null && age > tooOld
  const word = stale ? 'stale' : state
  const tone = stale ? 'crit' : state === 'live' ? 'ok' : state === 'paused' ? 'grey' : 'warn'
  const shape = { ok: '●', crit: '×', grey: '‖', warn: '○' }[tone]
  if (past) return <span class="connection warn"><span class="shape" aria-hidden="true">◷</span> past</span>
  return (
    <button type="button" class={`connection ${tone}`} title="age of the oldest data shown; pause or go on (l)" onClick={togglePause}>
      <span class="shape" aria-hidden="true">{shape}</span> {word}{age !== null && ` · ${age < 10 ? `${age.toFixed(1)}s` : duration(age)}`}
    </button>
  )
}

const keys = [
  ['/', 'filter'], ['j k', 'next, previous row'], ['Enter', 'open'], ['[ ]', 'shorter or longer time'], ['c', 'copy the link'], ['t', 'light or dark'], ['l', 'pause or go on'],
  ...pages.map(([, name, key]) => [`g ${key}`, name]), ['?', 'these keys'],
]

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
      tidemark {summary.value?.version} · <a href="/connect">connect a cluster</a> · <a href="/metrics">metrics</a> · <a href="/api/docs">API</a> · <a href="/readyz">ready</a>
    </footer>
  )
}

// TimeTravel opens the page as it was five minutes ago; the ribbon leads further.
function TimeTravel() {
  const { path, route } = useLocation()
  const at = useMoment()
  if (at !== null || (path !== '/' && !path.startsWith('/groups/'))) return null
  const go = () => route(`${path}?at=${new Date(Date.now() - 300_000).toISOString()}`)
  return <button type="button" class="icon" title="this page as it was" aria-label="This page as it was" onClick={go}>◷</button>
}
