package kafka

import (
	"fmt"
	"hash/fnv"
	"strings"
	"unicode/utf8"
)

// nameOf makes a name that Kafka told fit for labels, JSON and pages. Names are
// bytes to Kafka; one that is not UTF-8 gets a mark for each bad byte and a hash
// of all its bytes, so that two such names stay two. "a\xff" becomes
// "a\ufffd~f2e7c1d9a86ab1b4" or the like; a valid name stays as it is.
func nameOf(told string) string {
	if utf8.ValidString(told) {
		return told
	}
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(told))
	return fmt.Sprintf("%s~%016x", strings.ToValidUTF8(told, "\ufffd"), hash.Sum64())
}
