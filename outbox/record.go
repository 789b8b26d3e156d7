package outbox

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/aetherlink/tidemark"
)

// overhead is more than what our own headers and Kafka's frame add to a record.
const overhead = 400

// ours are the headers that each record has. With shard and epoch, a consumer can
// tell records of a relay that was fenced off: a lower epoch after a higher one.
func isOurs(header string) bool {
	switch header {
	case "event_id", "outbox_id", "shard", "epoch", "tenant_id", "type", "occurred_at":
		return true
	}
	return false
}

// record is the row as it is published. Its key chooses the partition; its time is
// when it is published, since brokers refuse times of clocks that are far off.
func (r row) record(l lease) tidemark.Record {
	record := tidemark.Record{Topic: r.Topic, Partition: -1, Key: []byte(r.Aggregate), Value: r.Payload}
	if record.Value == nil {
		record.Value = []byte{}
	}
	add := func(name, value string) {
		record.Headers = append(record.Headers, tidemark.Header{Key: name, Value: []byte(value)})
	}
	add("event_id", r.ID)
	add("outbox_id", strconv.FormatInt(r.id, 10))
	add("shard", strconv.Itoa(l.shard))
	add("epoch", strconv.FormatInt(l.epoch, 10))
	add("tenant_id", r.Tenant)
	add("type", r.Type)
	add("occurred_at", r.OccurredAt.UTC().Format(time.RFC3339Nano))
	application := r.application()
	for _, name := range slices.Sorted(maps.Keys(application)) {
		add(name, application[name])
	}
	return record
}

// application are the headers that the application wrote; nil if they cannot be
// published as that.
func (r row) application() map[string]string {
	var headers map[string]string
	if json.Unmarshal([]byte(r.headers), &headers) != nil {
		return nil
	}
	for name := range headers {
		if isOurs(name) {
			return nil
		}
	}
	return headers
}
