// One stream for all tabs of a browser: the tab that holds the lock has it, and
// tells the others. When that tab closes, the next one goes on with its last id.
//
//   const close = sharedEvents("/crm-events?type=JobCreated", event => show(JSON.parse(event.data)))
//
// The listener gets {data, id, type}. Options: names of other types to listen to,
// for streams with typed=1; ticket, a function that promises one for each connect.
export function sharedEvents(url, listener, {names = [], ticket} = {}) {
	const name = "crm-events " + new URL(url, location)
	const channel = new BroadcastChannel(name)
	const closing = new AbortController()
	let id = "", source
	const hear = event => {
		id = event.id || id
		if (event.type !== "checkpoint") listener(event)
	}
	channel.onmessage = message => hear(message.data)
	const tell = ({data, lastEventId, type}) => {
		const event = {data, id: lastEventId, type}
		channel.postMessage(event)
		hear(event)
	}
	const open = async () => {
		const from = new URL(url, location)
		if (id) from.searchParams.set("last_event_id", id)
		try {
			if (ticket) from.searchParams.set("ticket", await ticket())
		} catch { return again() }
		if (closing.signal.aborted) return
		source = new EventSource(from, {withCredentials: true})
		for (const type of ["message", "checkpoint", ...names]) source.addEventListener(type, tell)
		// A browser comes back by itself, unless the answer was no stream.
		source.onerror = () => source.readyState === 2 && again()
	}
	const again = () => setTimeout(open, 5000 + 5000 * Math.random())
	const lead = () => new Promise(done => {
		open()
		closing.signal.addEventListener("abort", () => { source?.close(); done() })
	})
	if (navigator.locks) navigator.locks.request(name, {signal: closing.signal}, lead).catch(() => {})
	else lead() // each tab has its own
	return () => { closing.abort(); channel.close() }
}
