package web

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// count writes 10000 as 10,000.
func count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// many writes 1 partition, 3 partitions.
func many[T int | int64](n T, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return count(int64(n)) + " " + thing + "s"
}

// perSecond writes a rate with three digits at most: 1,220/s, 31.4/s, 2.7/s, 0.05/s.
func perSecond(r float64) string {
	if math.Abs(r) >= 100 {
		return count(int64(math.Round(r))) + "/s"
	}
	digits, _ := strconv.ParseFloat(strconv.FormatFloat(r, 'g', 3, 64), 64)
	return strconv.FormatFloat(digits, 'f', -1, 64) + "/s"
}

// span writes a duration in its two largest units, rounded to the smaller: 20s,
// 9m 25s, 1h 51m, 3d 4h.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	pair := func(d, large, small time.Duration, names string) string {
		d = d.Round(small)
		if rest := d % large / small; rest > 0 {
			return fmt.Sprintf("%d%c %d%c", d/large, names[0], rest, names[1])
		}
		return fmt.Sprintf("%d%c", d/large, names[0])
	}
	switch {
	case d >= day-30*time.Minute:
		return pair(d, day, time.Hour, "dh")
	case d >= time.Hour-30*time.Second:
		return pair(d, time.Hour, time.Minute, "hm")
	case d >= time.Minute-time.Second/2:
		return pair(d, time.Minute, time.Second, "ms")
	}
	return fmt.Sprintf("%.0fs", d.Seconds())
}
