// One stream for all tabs of a browser: the tab that holds the lock has it, and
// tells the others. When that tab closes, the next one goes on with its last id.
//
//   const close = sharedEvents("/crm-events?type=JobCreated", event => show(JSON.parse(event.data)))
//
// The listener gets {data, id, type}; type is "message" unless names lists others,
// for streams with typed=1. Without Web Locks each tab has a stream of its own.
export function sharedEvents(url, listener, names = []) {
	const name = "crm-events " + new URL(url, location)
	const channel = new BroadcastChannel(name)
	const closing = new AbortController()
	let id = ""
	const hear = event => {
		id = event.id || id
		if (event.type !== "checkpoint") listener(event)
	}
	channel.onmessage = message => hear(message.data)

	const lead = () => new Promise(done => {
		let source
		const open = () => {
			const from = new URL(url, location)
			if (id) from.searchParams.set("last_event_id", id)
			source = new EventSource(from, {withCredentials: true})
			const tell = ({data, lastEventId, type}) => {
				const event = {data, id: lastEventId, type}
				channel.postMessage(event)
				hear(event)
			}
			for (const type of ["message", "checkpoint", ...names]) source.addEventListener(type, tell)
			// A browser gives up for good after an answer that is no stream.
			source.onerror = () => source.readyState === 2 && !closing.signal.aborted && setTimeout(open, 5000 + 5000 * Math.random())
		}
		open()
		closing.signal.addEventListener("abort", () => { source.close(); done() })
	})
	if (navigator.locks) navigator.locks.request(name, {signal: closing.signal}, lead).catch(() => {})
	else lead()

	return () => { closing.abort(); channel.close() }
}
