// The page of live events. The server filters; the page keeps the latest 500 in a
// ring and draws them once per frame of the screen, however many come.
import {sharedEvents} from "./tabs.js"

const size = 500
const ring = new Array(size)
let next = 0, drawn = 0, lost = 0

const form = document.querySelector("form")
const rows = document.querySelector("tbody")
const status = document.querySelector("[role=status]")
const asked = new URLSearchParams(location.search)
for (const field of form.elements) if (field.name) field.value = asked.get(field.name) ?? ""
form.addEventListener("submit", () => { for (const field of form.elements) if (!field.value) field.disabled = true })

const query = new URLSearchParams([...asked].filter(([name, value]) => value && ["type", "key", "tenant", "since"].includes(name)))
sharedEvents("../crm-events?" + query, ({data}) => {
	const event = JSON.parse(data)
	switch (event.kind) {
	case "domain_event":
		event.latency = Date.now() - event.timestamp
		ring[next++ % size] = event
		if (next === drawn + 1) requestAnimationFrame(draw)
		break
	case "connected":
		say(`${event.topic}: ${event.resume}`)
		break
	case "gap":
		lost += event.to - event.from
		say(`partition ${event.partition}: ${event.from} to ${event.to} not delivered (${event.reason}); ${lost} in all`)
		break
	case "overloaded": case "bye":
		say(`${event.kind} ${event.reason ?? ""}: coming back`)
	}
})

function say(text) { status.textContent = text }

function draw() {
	for (let i = Math.max(drawn, next - size); i < next; i++) rows.prepend(row(ring[i % size]))
	drawn = next
	while (rows.rows.length > size) rows.lastElementChild.remove()
}

function row(event) {
	const line = document.createElement("tr")
	const cell = (text, name) => { const c = line.insertCell(); c.textContent = text; c.className = name; c.title = text }
	cell(new Date(event.timestamp).toISOString().slice(11, 23), "time")
	cell(event.latency + " ms", "number")
	cell(event.partition, "number")
	cell(event.offset, "number")
	cell(event.key ?? "", "key")
	cell(event.undecodable ? event.raw : event.oversized ? `${event.bytes} bytes` : JSON.stringify(event.value), "value")
	return line
}
