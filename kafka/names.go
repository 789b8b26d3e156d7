package kafka

import (
	"fmt"
	"hash/fnv"
	"strings"
	"unicode/utf8"
)

// longest is how long a name may be in labels and pages: four times what a topic's
// may be. A group's may be 32 KB to Kafka.
const longest = 1000

// nameOf makes a name that Kafka told fit for labels, JSON and pages. Names are
// bytes to Kafka; one that is not UTF-8 gets a mark for each bad byte, one that is
// too long is cut, and both get a hash of all their bytes, so that two such names
// stay two. "a\xff" becomes "a\ufffd~f2e7c1d9a86ab1b4" or the like; others stay as
// they are.
func nameOf(told string) string {
	if len(told) <= longest && utf8.ValidString(told) {
		return told
	}
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(told))
	const room = longest - len("~0123456789abcdef")
	text := strings.ToValidUTF8(told[:min(len(told), room)], "\ufffd")
	return fmt.Sprintf("%s~%016x", strings.ToValidUTF8(text[:min(len(text), room)], ""), hash.Sum64())
}
