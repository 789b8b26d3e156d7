package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/aetherlink/tidemark/drill"
	"github.com/aetherlink/tidemark/rules"
	"github.com/aetherlink/tidemark/web"
)

// drills are those that tidemark brings and those of the configuration, each with
// the reports that were left in the data directory, newest first.
func (d *daemon) drills() []web.Drill {
	known, err := drill.Builtin()
	if err != nil {
		d.Log.Warn("the drills that come with tidemark cannot be read", "err", err)
	}
	reports := d.reports()
	list := []web.Drill{}
	for _, one := range known {
		list = append(list, web.Drill{Name: one.Name, Title: one.Title, Reports: newestFirst(reports[one.Name])})
		delete(reports, one.Name)
	}
	for name, of := range reports { // those of one's own that were run
		list = append(list, web.Drill{Name: name, Title: of[0].Title, Reports: newestFirst(of)})
	}
	slices.SortFunc(list, func(a, b web.Drill) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// KeepReport writes a drill's report into a data directory, where the pages find it.
// When it returns, the report is on the disk.
func KeepReport(dir string, report *drill.Report) error {
	text, err := report.JSON()
	if err != nil {
		return err
	}
	name := url.PathEscape(report.Drill) + "-" + report.Started.UTC().Format("20060102T150405Z") + ".json"
	if err := replace(filepath.Join(dataDir(dir).part("drills"), name), text); err != nil {
		return fmt.Errorf("keep the report: %w", err)
	}
	return nil
}

// reports are those in the data directory, by drill.
func (d *daemon) reports() map[string][]web.DrillReport {
	reports := map[string][]web.DrillReport{}
	if d.dir == "" {
		return reports
	}
	files, _ := filepath.Glob(filepath.Join(d.dir.part("drills"), "*.json")) // the pattern is good
	for _, file := range files {
		var report web.DrillReport
		text, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(text, &report)
		}
		if err != nil {
			d.Log.Warn("a drill's report cannot be read", "file", file, "err", err)
			continue
		}
		reports[report.Drill] = append(reports[report.Drill], report)
	}
	return reports
}

func newestFirst(reports []web.DrillReport) []web.DrillReport {
	slices.SortFunc(reports, func(a, b web.DrillReport) int { return b.StartedAt.Compare(a.StartedAt.Time) })
	return reports
}

// replay is what a rule would have done, in the words of the pages.
func (d *daemon) replay(ctx context.Context, rule string, from, to time.Time) (web.Replay, error) {
	r, err := d.scope.Load().engine.Replay(ctx, rule, from, to)
	if err != nil {
		return web.Replay{}, err
	}
	told := web.Replay{Rule: r.Rule, For: known(r.For.Seconds()), From: web.Time{Time: r.From}, To: web.Time{Time: r.To}, Firings: []web.Firing{}}
	if r.Threshold != nil {
		told.Threshold = known(*r.Threshold)
	}
	if r.Hold != nil {
		told.Hold = known(r.Hold.Seconds())
	}
	for _, f := range r.Firings {
		told.Firings = append(told.Firings, firing(f))
	}
	return told, nil
}

func firing(f rules.Firing) web.Firing {
	return web.Firing{
		Labels: f.Labels, ActiveAt: web.Time{Time: f.Active}, FiredAt: web.Time{Time: f.Fired},
		EndedAt: web.Time{Time: f.Ended}, Worst: known(f.Worst),
	}
}

func known(n float64) web.Number { return web.Number{Value: n, Known: true} }
