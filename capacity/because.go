package capacity

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/aetherlink/tidemark"
)

// because says in one sentence which numbers decided. Pages, commands and alerts
// show it as it is.
func (l *look) because(state tidemark.State, d tidemark.Drain) string {
	flows := fmt.Sprintf("%s arrive, %s are read", perSecond(l.in.PerSecond), perSecond(l.out.PerSecond))
	net := perSecond(math.Abs(l.out.PerSecond - l.in.PerSecond))
	switch state {
	case tidemark.Idle, tidemark.CaughtUp:
		return l.becauseDone()
	case tidemark.Draining:
		return "falls by " + net + ": " + flows + l.exceptFor(d)
	case tidemark.Steady:
		return records(l.total.Records) + ": " + flows + ", no difference beyond noise" + l.lateOn()
	case tidemark.Growing:
		return "grows by " + net + ": " + flows
	case tidemark.Stalled:
		return l.becauseStalled()
	case tidemark.Stopped:
		return "no members; " + records(l.total.Records) + l.arriving()
	default:
		return l.becauseUnknown()
	}
}

// exceptFor names the consumer whose part of a falling lag does not fall.
func (l *look) exceptFor(d tidemark.Drain) string {
	if d.Known {
		return ""
	}
	return fmt.Sprintf("; but %s may never get to the end of %s/%d", cmp.Or(d.Consumer, "whoever reads it"), d.Topic, d.Partition)
}

// lateOn names the partition whose records wait while most do not.
func (l *look) lateOn() string {
	if l.whole.late == 0 || l.whole.late == l.whole.partitions {
		return ""
	}
	row := &l.rows[l.oldest.deepest]
	return fmt.Sprintf("; but on %s/%d records have waited for %s", row.Topic, row.ID, lasting(time.Duration(l.oldest.deepestLag)))
}

func (l *look) becauseUnknown() string {
	switch {
	case l.seen.Reason.Blinds():
		return fmt.Sprintf("commits and members were not seen: %s", l.missing(l.seen.Coordinator, l.seen.Reason))
	case l.total.Missing > 0:
		return l.becauseMissing()
	case !l.total.Complete:
		return fmt.Sprintf("never committed; %s in %s", bare(l.total.UncommittedRecords), partitions(l.total.Partitions))
	case l.out.Known:
		return records(l.total.Records) + "; what arrives was seen too seldom for a rate"
	}
	return records(l.total.Records) + "; a rate takes three looks since somebody reads, or since the watch began"
}

// becauseMissing names the first partition without a lag and, if it was not seen,
// who should have told.
func (l *look) becauseMissing() string {
	for i := range l.rows {
		row := &l.rows[i]
		var one tidemark.Total
		if one.Add(*row); one.Missing == 0 {
			continue
		}
		of := fmt.Sprintf("%d of %s", l.total.Missing, partitions(l.total.Partitions))
		if !row.Reason.Blinds() {
			return fmt.Sprintf("%s without a lag, the first %s/%d: %s", of, row.Topic, row.ID, cmp.Or(row.Reason.String(), "offsets not seen"))
		}
		leader := int32(-1)
		if a := l.log(row); a != nil {
			leader = a.leader
		}
		return fmt.Sprintf("%s not seen, the first %s/%d: %s", of, row.Topic, row.ID, l.missing(leader, row.Reason))
	}
	return ""
}

// missing names the broker that should have told something, if it did not answer.
func (l *look) missing(broker int32, r tidemark.Reason) string {
	for _, b := range l.snapshot.Brokers {
		if b.ID == broker && !b.Up {
			return fmt.Sprintf("broker %d %s", broker, r)
		}
	}
	return r.String()
}

func (l *look) becauseDone() string {
	switch {
	case l.total.Partitions == 0:
		return "has committed nothing and owns nothing"
	case l.total.Records == 0:
		return fmt.Sprintf("read to the end of %s%s", partitions(l.total.Partitions), l.arriving())
	}
	return fmt.Sprintf("%s, in flight%s, commits come %s", records(l.total.Records), l.arriving(), l.every(l.whole.period))
}

// becauseStalled names the stuck partition with the most lag and its owner, unless
// all of several are stuck: then the group is.
func (l *look) becauseStalled() string {
	row := &l.rows[l.frozen.deepest]
	owner := "nobody"
	if l.owned(l.frozen.deepest) {
		owner = l.member(int(l.crew.owners[l.frozen.deepest]))
	}
	since := lasting(l.silent()) + l.usually()
	switch stuck := l.whole.stuck; {
	case stuck == len(l.rows) && stuck > 1:
		return fmt.Sprintf("no commit for %s; %s; %s", since, records(l.frozen.lag), members(len(l.seen.Members)))
	case stuck == 1:
		return fmt.Sprintf("no commit on %s/%d for %s; %s there; owned by %s", row.Topic, row.ID, since, records(l.frozen.lag), owner)
	default:
		return fmt.Sprintf("no commit on %d of %s, on %s/%d for %s; %s there; owned by %s",
			stuck, partitions(len(l.rows)), row.Topic, row.ID, since, records(l.frozen.deepestLag), owner)
	}
}

func (l *look) silent() time.Duration {
	return l.group.partitions[l.frozen.deepest].silent(l.group.newest())
}

func (l *look) usually() string {
	usual := l.group.partitions[l.frozen.deepest].usual()
	if usual == 0 {
		return " since it is watched"
	}
	return " although they usually come " + l.every(usual)
}

// every says how often commits come; more often than looks come cannot be seen.
func (l *look) every(period time.Duration) string {
	if period < 2*l.windows.look {
		return "at least every " + lasting(max(period, l.windows.look))
	}
	return "every " + lasting(period)
}

// arriving says what comes in, as far as that is known.
func (l *look) arriving() string {
	switch {
	case !l.in.Known:
		return ""
	case l.in.PerSecond == 0:
		return "; nothing arrives"
	}
	return fmt.Sprintf("; %s arrive", perSecond(l.in.PerSecond))
}

func records(n int64) string {
	if n == 1 {
		return "1 record waits"
	}
	return thousands(n) + " records wait"
}

func bare(n int64) string {
	if n == 1 {
		return "1 record"
	}
	return thousands(n) + " records"
}

func partitions(n int) string {
	if n == 1 {
		return "1 partition"
	}
	return thousands(int64(n)) + " partitions"
}

func members(n int) string {
	if n == 1 {
		return "1 member"
	}
	return thousands(int64(n)) + " members"
}

// perSecond writes a rate with as many digits as say something: 122/s, 2.7/s, 0.05/s.
func perSecond(r float64) string {
	switch {
	case r >= 100:
		return thousands(int64(math.Round(r))) + "/s"
	case r >= 0.1:
		return strings.TrimSuffix(strconv.FormatFloat(r, 'f', 1, 64), ".0") + "/s"
	}
	return strconv.FormatFloat(r, 'g', 1, 64) + "/s"
}

// lasting writes a duration in its two largest units: 45 s, 3 min 20 s, 2 h 5 min.
func lasting(d time.Duration) string {
	d = max(d.Round(time.Second), time.Second)
	units := []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
	var words []string
	for _, u := range units {
		if n := d / u.size; n > 0 && len(words) < 2 {
			words = append(words, fmt.Sprintf("%d %s", n, u.name))
			d -= n * u.size
		}
	}
	return strings.Join(words, " ")
}

// thousands writes 1234567 as 1,234,567.
func thousands(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
