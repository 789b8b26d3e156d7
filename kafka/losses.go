package kafka

import "github.com/aetherlink/tidemark"

// losses counts the records of one topic that retention deleted before a group had
// read them. What was lost before the first look is not counted: nobody knows when.
type losses struct {
	watched bool
	upTo    map[int32]int64 // of partitions whose commit is below the log's start: that start when it was counted
}

// count returns how many records were lost since it was called before.
func (l *losses) count(partitions []tidemark.Partition) (records int64) {
	before := l.watched
	for i := range partitions {
		p := &partitions[i]
		if p.Reason.Blinds() {
			continue
		}
		l.watched = true
		switch {
		case p.Lost() == 0:
			delete(l.upTo, p.ID)
			continue
		case before:
			records += max(0, p.LogStart-max(p.Committed, l.upTo[p.ID]))
		}
		if l.upTo == nil {
			l.upTo = map[int32]int64{}
		}
		l.upTo[p.ID] = p.LogStart
	}
	return records
}
