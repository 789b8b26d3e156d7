package rules

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"github.com/aetherlink/tidemark/metrics"
)

// federate serves the present values of the series that match[] selects, as text,
// for another Prometheus to scrape.
func (e *Engine) federate(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	found := map[uint64]promql.Sample{}
	for _, match := range r.Form["match[]"] {
		if _, err := e.parser.ParseMetricSelector(match); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		result, err := e.selected(r, match)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		for _, s := range result {
			found[s.Metric.Hash()] = s
		}
	}
	samples := slices.SortedFunc(maps.Values(found), func(a, b promql.Sample) int {
		return cmp.Or(cmp.Compare(a.Metric.Get(model.MetricNameLabel), b.Metric.Get(model.MetricNameLabel)), labels.Compare(a.Metric, b.Metric))
	})
	w.Header().Set("Content-Type", metrics.ContentType)
	writeText(w, samples)
}

func (e *Engine) selected(r *http.Request, match string) (promql.Vector, error) {
	query, err := e.queries.NewInstantQuery(r.Context(), e.options.Storage, nil, match, time.Now())
	if err != nil {
		return nil, err
	}
	defer query.Close()
	return query.Exec(r.Context()).Vector()
}

// writeText writes samples in Prometheus' text format. Nobody told us their types.
func writeText(w io.Writer, samples []promql.Sample) {
	escapes := strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
	last := ""
	for _, s := range samples {
		name := s.Metric.Get(model.MetricNameLabel)
		if name == "" || s.H != nil { // native histograms have no text form
			continue
		}
		if name != last {
			fmt.Fprintf(w, "# TYPE %s untyped\n", name)
			last = name
		}
		fmt.Fprintf(w, "%s%s %s\n", name, textLabels(s.Metric, escapes), strconv.FormatFloat(s.F, 'g', -1, 64))
	}
}

// textLabels writes labels as {cluster="main",instance=""}. An empty instance keeps
// the scraper from putting its own there.
func textLabels(metric labels.Labels, escapes *strings.Replacer) string {
	var all []string
	metric.Range(func(l labels.Label) {
		if l.Name != model.MetricNameLabel {
			all = append(all, l.Name+`="`+escapes.Replace(l.Value)+`"`)
		}
	})
	if metric.Get("instance") == "" {
		all = append(all, `instance=""`)
	}
	return "{" + strings.Join(all, ",") + "}"
}
