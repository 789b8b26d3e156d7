package scale

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Window is a time that comes again: from one o'clock to another, on some days.
// One that ends before it begins goes over midnight and belongs to the day on
// which it begins: 22:00 to 06:00 on Fridays ends on Saturday morning.
type Window struct {
	From string   `yaml:"from"` // 15:04
	To   string   `yaml:"to"`
	Days []string `yaml:"days"` // mon, tue, wed, thu, fri, sat, sun; none: every day
	Zone string   `yaml:"zone"` // as in Europe/Zurich; empty: UTC
}

var days = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} // in the order of time.Weekday

func (w Window) validate() error {
	from, err := time.Parse("15:04", w.From)
	if err != nil {
		return fmt.Errorf("from is %q; it must be a time of day as 08:30 is", w.From)
	}
	to, err := time.Parse("15:04", w.To)
	if err != nil {
		return fmt.Errorf("to is %q; it must be a time of day as 18:00 is", w.To)
	}
	if from.Equal(to) {
		return fmt.Errorf("from and to are both %s; a whole day is 00:00 to 23:59", w.From)
	}
	for _, day := range w.Days {
		if !slices.Contains(days, day) {
			return fmt.Errorf("days has %q; days are %s", day, strings.Join(days, ", "))
		}
	}
	if _, err := time.LoadLocation(w.Zone); err != nil {
		return fmt.Errorf("zone is %q; it must be a name as Europe/Zurich is", w.Zone)
	}
	return nil
}

// holds says whether a moment lies in the window. The window has been validated.
func (w Window) holds(at time.Time) bool {
	zone, err := time.LoadLocation(w.Zone)
	if err != nil {
		return false
	}
	at = at.In(zone)
	now, day := at.Format("15:04"), at.Weekday()
	if w.From < w.To {
		return w.From <= now && now < w.To && w.on(day)
	}
	return now >= w.From && w.on(day) || now < w.To && w.on((day+6)%7)
}

func (w Window) on(day time.Weekday) bool {
	return len(w.Days) == 0 || slices.Contains(w.Days, days[day])
}
