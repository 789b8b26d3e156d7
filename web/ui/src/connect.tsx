// How does Tidemark reach a cluster? What is typed here stays in this page: it
// asks for no secret and sends nothing.
import { useState } from 'preact/hooks'
import { shellWord, Copies } from './words'

const mechanisms = ['none', 'plain', 'scram-sha-256', 'scram-sha-512']

const empty = { name: 'main', brokers: 'localhost:9092', tls: false, ca: '', mechanism: 'none', username: 'tidemark', passwordFile: '/etc/tidemark/password' }
type Answers = typeof empty

export function ConnectPage() {
  const [a, set] = useState(empty)
  const field = (key: keyof Answers, says: string, hint?: string) => (
    <>
      <label for={key}>{says}</label>
      <input id={key} value={String(a[key])} placeholder={hint} spellcheck={false} autocomplete="off" onInput={e => set({ ...a, [key]: e.currentTarget.value })} />
    </>
  )
  const wrong = whatIsWrong(a)
  return (
    <section>
      <h1>Connect a cluster</h1>
      <p class="muted">Three questions, and what to write and type for the answers. No password is asked for here: it stays in a file that only Tidemark reads.</p>
      <form class="connect" onSubmit={e => e.preventDefault()}>
        {field('name', 'What is it called?')}
        {field('brokers', 'Where are its brokers?', 'host:port, host:port')}
        <span>Is it encrypted?</span>
        <label><input type="checkbox" checked={a.tls} onChange={e => set({ ...a, tls: e.currentTarget.checked })} /> TLS</label>
        {a.tls && field('ca', 'Authority (file)', 'empty: those of the system')}
        <label for="mechanism">How does one sign in?</label>
        <select id="mechanism" value={a.mechanism} onChange={e => set({ ...a, mechanism: e.currentTarget.value })}>{mechanisms.map(m => <option key={m}>{m}</option>)}</select>
        {a.mechanism !== 'none' && field('username', 'User')}
        {a.mechanism !== 'none' && field('passwordFile', 'Password (file)')}
      </form>
      {wrong && <p class="problem">{wrong}</p>}
      <h2>tidemark.yaml</h2>
      <pre class="yaml" tabIndex={0}>{yaml(a)}</pre>
      <h2>Then</h2>
      <Copies lines={[
        { as: 'check', text: 'tidemark check config tidemark.yaml' },
        { as: 'serve', text: 'tidemark serve --config.file=tidemark.yaml' },
        { as: 'reload', text: 'curl -X POST -H "Authorization: Bearer $TIDEMARK_TOKEN" ' + `${location.origin}/-/reload` },
      ]} />
      <h2>What Tidemark must be allowed <small class="muted">if the cluster asks for rights; it needs no more, and writes nothing</small></h2>
      <Copies lines={rights(a)} />
    </section>
  )
}

const brokersOf = (a: Answers) => a.brokers.split(/[\s,]+/).filter(Boolean)

function whatIsWrong(a: Answers): string {
  const bad = brokersOf(a).find(b => !/^(\[[^\]]+\]|[^:]+):\d+$/.test(b))
  if (brokersOf(a).length === 0) return 'Name at least one broker, as kafka:9092.'
  if (bad) return `${bad} is no address; it must look like kafka:9092.`
  if (a.mechanism === 'plain' && !a.tls) return 'plain without TLS sends the password readable over the network.'
  return ''
}

// Every text becomes a quoted YAML string, which JSON's are.
function yaml(a: Answers): string {
  const q = JSON.stringify
  const lines = ['clusters:', `  - name: ${q(a.name)}`, `    brokers: [${brokersOf(a).map(b => q(b)).join(', ')}]`]
  if (a.tls) lines.push(`    tls: {enabled: true${a.ca ? `, ca: ${q(a.ca)}` : ''}}`)
  if (a.mechanism !== 'none') lines.push(`    sasl: {mechanism: ${a.mechanism}, username: ${q(a.username)}, password_file: ${q(a.passwordFile)}}`)
  return lines.join('\n') + '\n'
}

function rights(a: Answers) {
  const user = shellWord(`User:${a.mechanism === 'none' ? 'ANONYMOUS' : a.username}`)
  const add = `kafka-acls.sh --bootstrap-server ${shellWord(brokersOf(a)[0] ?? 'localhost:9092')} --add --allow-principal ${user} --operation Describe`
  return [
    { as: 'groups', text: `${add} --group '*'` },
    { as: 'topics', text: `${add} --topic '*'` },
    { as: 'cluster', text: `${add} --cluster` },
  ]
}
