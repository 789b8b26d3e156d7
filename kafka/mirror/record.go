package mirror

import (
	"encoding/json"
	"math"
	"unicode/utf8"
)

// flow is whose positions are wanted, of all that Connect keeps in one topic.
type flow struct {
	connector string
	cluster   string // what MirrorMaker calls the cluster that it reads
}

// key returns what a record is about, if it is about this flow. Keys are
// ["MirrorSourceConnector",{"cluster":"A","partition":0,"topic":"t"}]; those of
// other connectors may be anything. Text that is not UTF-8 is nobody's: JSON would
// make two names one.
func (f flow) key(text []byte) (place, bool) {
	var parts []json.RawMessage
	if !utf8.Valid(text) || json.Unmarshal(text, &parts) != nil || len(parts) != 2 {
		return place{}, false
	}
	var connector string
	var about struct {
		Cluster   *string `json:"cluster"`
		Partition *int32  `json:"partition"`
		Topic     *string `json:"topic"`
	}
	if json.Unmarshal(parts[0], &connector) != nil || json.Unmarshal(parts[1], &about) != nil {
		return place{}, false
	}
	if about.Cluster == nil || about.Partition == nil || about.Topic == nil || *about.Partition < 0 || *about.Topic == "" {
		return place{}, false
	}
	return place{*about.Topic, *about.Partition}, connector == f.connector && *about.Cluster == f.cluster
}

// nextOf returns where MirrorMaker reads on: {"offset":123} is the last record that
// it has copied, so 124. It is not known if the offset was taken back (no value), or
// cannot be read.
func nextOf(text []byte) (next int64, known bool) {
	var value struct {
		Offset *int64 `json:"offset"`
	}
	if json.Unmarshal(text, &value) != nil || value.Offset == nil || *value.Offset < 0 || *value.Offset == math.MaxInt64 {
		return 0, false
	}
	return *value.Offset + 1, true
}
