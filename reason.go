package tidemark

import "fmt"

// Reason says why a partition, a log or a group is not simply in order.
type Reason uint8

// The reasons, in the words of metrics, pages and the API.
const (
	Fine                 Reason = iota
	NeverCommitted              // the group reads here but has not committed yet
	Truncated                   // the commit is beyond the end: the log was cut
	Recreated                   // the commit is from an earlier topic of the same name
	OvertakenByRetention        // the log begins after the commit: records were deleted unread
	OpenTransaction             // a transaction that nobody ends holds readers back
	RebalanceRunning            // partitions are changing hands
	Hot                         // one partition takes far more than its share
	Stuck                       // the owner is alive, records wait, no commit moves
	Unsubscribed                // committed here, but the group's members read elsewhere
	Denied                      // we may not see it
	Unreachable                 // whoever knows it did not answer
)

var reasonNames = [...]string{
	"", "uncommitted", "truncated", "recreated", "overtaken_by_retention", "open_transaction",
	"rebalancing", "hot", "stuck", "unsubscribed", "denied", "unreachable",
}

// String returns the reason's word; Fine is the empty string.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// MarshalText makes a reason its word in JSON.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the word that MarshalText wrote.
func (r *Reason) UnmarshalText(text []byte) error {
	for i, name := range reasonNames {
		if name == string(text) {
			*r = Reason(i)
			return nil
		}
	}
	return fmt.Errorf("no reason is called %q", text)
}

// Blinds says that values with this reason were not seen in the latest look.
func (r Reason) Blinds() bool { return r == Denied || r == Unreachable }
