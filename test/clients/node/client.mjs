// One client of the matrix: node client.mjs KIND URL. It says what it hears, a line
// each: "event PARTITION OFFSET", or the kind of the frame and what it says.
const [kind, url] = process.argv.slice(2)

function hear(data) {
	const frame = JSON.parse(data)
	if (frame.kind === "domain_event") console.log("event", frame.partition, frame.offset)
	else console.log(frame.kind, frame.resume ?? frame.reason ?? "")
}

function listen(source) {
	source.onmessage = event => hear(event.data)
}

// readByHand is what an application does that has a parser and nothing else.
async function readByHand() {
	const {createParser} = await import("eventsource-parser")
	let id = "", retry = 1000
	const parser = createParser({
		onEvent(event) {
			id = event.id ?? id
			if (!event.event) hear(event.data)
		},
		onRetry(ms) { retry = ms },
	})
	for (;;) {
		try {
			const answer = await fetch(url, {headers: {Accept: "text/event-stream", ...(id && {"Last-Event-ID": id})}})
			const text = new TextDecoder()
			for await (const piece of answer.body) parser.feed(text.decode(piece, {stream: true}))
		} catch {} // the connection was cut
		parser.reset()
		await new Promise(done => setTimeout(done, retry))
	}
}

switch (kind) {
case "builtin": listen(new EventSource(url)); break
case "eventsource": listen(new (await import("eventsource")).EventSource(url)); break
case "undici": listen(new (await import("undici")).EventSource(url)); break
case "eventsource-parser": await readByHand(); break
default: throw new Error(`what is ${kind}?`)
}
setInterval(() => {}, 1000) // stay
