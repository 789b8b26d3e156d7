package daemon

import "github.com/aetherlink/tidemark"

// keeps says which series go into history. Sums always do; a series per partition
// of a group only as history.partitions says: none, pipelines (those of groups
// with a pipeline), lagging (those of groups that are behind), or all.
func (s *scope) keeps(view *tidemark.View) func(tidemark.Series) bool {
	wanted := s.wantsPartitions(view)
	type group struct{ cluster, name string }
	decided := map[group]bool{}
	return func(series tidemark.Series) bool {
		if series.Partition == 0 || series.Group == "" {
			return true
		}
		g := group{series.Cluster, series.Group}
		keep, known := decided[g]
		if !known {
			keep = wanted(g.cluster, g.name)
			decided[g] = keep
		}
		return keep
	}
}

func (s *scope) wantsPartitions(view *tidemark.View) func(cluster, group string) bool {
	switch s.config.History.Partitions {
	case "all":
		return func(string, string) bool { return true }
	case "none":
		return func(string, string) bool { return false }
	case "lagging":
		return func(cluster, group string) bool {
			o, _ := view.Observation(cluster)
			e, known := o.Estimate(group)
			return known && e.State != tidemark.Idle && e.State != tidemark.CaughtUp
		}
	default:
		return func(cluster, group string) bool {
			_, found := s.pipelines.find(cluster, group)
			return found
		}
	}
}
