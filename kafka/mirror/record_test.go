package mirror

import (
	"testing"
	"unicode/utf8"
)

// FuzzRecordsOfConnectAreReadOrLeft holds that whatever is in the topic is
// understood as what it says, or not at all.
func FuzzRecordsOfConnectAreReadOrLeft(f *testing.F) {
	for _, seed := range [][2]string{
		{`["MirrorSourceConnector",{"cluster":"A","partition":0,"topic":"t"}]`, `{"offset":123}`},
		{`["MirrorSourceConnector",{"cluster":"A","partition":-1,"topic":"t"}]`, `{"offset":-1}`},
		{`["MirrorSourceConnector",{"cluster":"A","partition":2147483648,"topic":"t"}]`, `{"offset":9223372036854775807}`},
		{`["MirrorSourceConnector",{"cluster":"A","partition":0,"topic":"\xff"}]`, `{"offset":null}`},
		{`["MirrorSourceConnector",null]`, `[]`},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]))
	}
	flow := flow{connector: "MirrorSourceConnector", cluster: "A"}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if at, is := flow.key(key); is && (at.partition < 0 || at.topic == "" || !utf8.ValidString(at.topic)) {
			t.Errorf("%q is about %+v", key, at)
		}
		if next, known := nextOf(value); known && next < 1 || !known && next != 0 {
			t.Errorf("%q is %d, known: %v", value, next, known)
		}
	})
}
