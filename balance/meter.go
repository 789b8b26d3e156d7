package balance

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// meter measures how many records are read of each partition per second. What was
// read two minutes ago counts for a third of what is read now.
type meter map[partition]*gauge

type gauge struct {
	sum       float64 // records, faded
	all       int     // not faded
	began, at time.Time
}

const (
	fades = 2 * time.Minute
	// A rate is told once it stands on so many records, or on so much time.
	enoughRecords = 100
	enoughTime    = time.Minute
)

func (m meter) add(p partition, records int, now time.Time) {
	g := m[p]
	if g == nil {
		g = &gauge{began: now, at: now}
		m[p] = g
	}
	g.sum = g.sum*faded(now.Sub(g.at)) + float64(records)
	g.all += records
	g.at = now
}

func faded(d time.Duration) float64 { return math.Exp(-d.Seconds() / fades.Seconds()) }

// rate returns the records per second, as if all the past had been like what was seen.
func (m meter) rate(p partition, now time.Time) (perSecond float64, known bool) {
	g := m[p]
	if g == nil {
		return 0, false
	}
	watched := max(now.Sub(g.began), time.Second)
	if g.all < enoughRecords && watched < enoughTime {
		return 0, false
	}
	return g.sum * faded(now.Sub(g.at)) / (fades.Seconds() * (1 - faded(watched))), true
}

// keep forgets what is no longer read here. What is read and was never measured
// begins to be: a partition without records has a rate too.
func (m meter) keep(owned []kmsg.ConsumerMemberMetadataOwnedPartition) {
	mine := map[partition]bool{}
	for _, o := range owned {
		for _, id := range o.Partitions {
			mine[partition{o.Topic, id}] = true
		}
	}
	for p := range m {
		if !mine[p] {
			delete(m, p)
		}
	}
	for p := range mine {
		if m[p] == nil {
			m.add(p, 0, time.Now())
		}
	}
}

// The user data of a member: a version, then for each owned partition, in their
// order, the rate as records in 100 s plus one, to two digits; 0: not known.
const userDataVersion = 1

// tell writes the rates of what is owned. Two digits do: a rate that wavers in the
// third would make each join look like news.
func (m meter) tell(owned []kmsg.ConsumerMemberMetadataOwnedPartition, now time.Time) []byte {
	data := []byte{userDataVersion}
	for _, o := range owned {
		for _, id := range o.Partitions {
			n := uint64(0)
			if rate, known := m.rate(partition{o.Topic, id}, now); known {
				n = 1 + twoDigits(rate*100)
			}
			data = binary.AppendUvarint(data, n)
		}
	}
	return data
}

func twoDigits(x float64) uint64 {
	unit := 1.0
	for x/unit >= 100 {
		unit *= 10
	}
	return uint64(math.Round(x/unit) * unit)
}

// heard reads what a member told, and yields each partition that it has. A member
// that tells no rates, or in words of a later version, has partitions all the same.
func heard(meta *kmsg.ConsumerMemberMetadata, yield func(p partition, rate float64, known bool)) {
	data := meta.UserData
	told := len(data) > 0 && data[0] == userDataVersion
	if told {
		data = data[1:]
	}
	for _, o := range meta.OwnedPartitions {
		for _, id := range o.Partitions {
			n := uint64(0)
			if told {
				var size int
				n, size = binary.Uvarint(data)
				if told = size > 0; told {
					data = data[size:]
				}
			}
			yield(partition{o.Topic, id}, float64(max(1, n)-1)/100, told && n > 0)
		}
	}
}
