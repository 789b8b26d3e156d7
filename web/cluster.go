package web

import (
	"net/http"

	"github.com/aetherlink/tidemark"
)

// shownGaps is how many gaps the page about a cluster lists: what a person may
// scroll through, looking for one name.
const shownGaps = 200

func (s *Server) clusters(w http.ResponseWriter, r *http.Request) {
	m := s.now.Load()
	s.reply(w, r, m, func() any {
		list := ClusterList{m.object("ClusterList"), []ClusterDetail{}}
		for _, o := range m.observations() {
			list.Clusters = append(list.Clusters, m.clusterDetail(o))
		}
		return list
	})
}

// observations are those of the moment's View; none before the first.
func (m *moment) observations() []tidemark.Observation {
	if m.view == nil {
		return nil
	}
	return m.view.Observations
}

func (m *moment) clusterDetail(o tidemark.Observation) ClusterDetail {
	d := ClusterDetail{Cluster: clusterOf(o), Nodes: []Broker{}, States: map[string]int{}, Requests: []RequestCount{}, Errors: gapsOf(shownGaps, o)}
	for _, r := range m.rows {
		if r.Row.Cluster == o.Cluster {
			d.States[string(r.State)]++
		}
	}
	if o.Snapshot == nil {
		return d
	}
	for _, b := range o.Snapshot.Brokers {
		d.Nodes = append(d.Nodes, Broker{b.ID, b.Address, b.Up, Time{b.Left}})
	}
	for _, c := range o.Snapshot.Requests {
		d.Requests = append(d.Requests, RequestCount{c.API, c.N})
	}
	return d
}

func (s *Server) topology(w http.ResponseWriter, r *http.Request) {
	m := s.now.Load()
	s.reply(w, r, m, func() any {
		all := Topology{m.object("Topology"), []Topic{}, []Read{}, m.summary.Errors}
		for _, o := range m.observations() {
			if o.Snapshot == nil {
				continue
			}
			for _, t := range o.Snapshot.Topics {
				all.Topics = append(all.Topics, topicOf(o.Cluster, t))
			}
			for _, g := range o.Snapshot.Groups {
				all.Reads = append(all.Reads, readsOf(o, g)...)
			}
		}
		return all
	})
}

// topicOf counts what is wrong with a topic's partitions. A leader that is missing
// is seen by asking any broker; who is in sync as well, unless the topic is denied.
func topicOf(cluster string, t tidemark.Topic) Topic {
	leaderless, outOfSync, seen := 0, 0, true
	for _, l := range t.Partitions {
		switch {
		case l.Reason == tidemark.Denied:
			seen = false
		case l.Leader < 0:
			leaderless++
		case l.InSync < l.Replicas:
			outOfSync++
		}
	}
	return Topic{cluster, t.Name, len(t.Partitions), when(seen, leaderless), when(seen, outOfSync)}
}

// readsOf adds a group's partitions up by topic; they are sorted by it.
func readsOf(o tidemark.Observation, g tidemark.Group) (reads []Read) {
	e, _ := o.Estimate(g.Name)
	partitions := o.Snapshot.Of(g.Name)
	for from := 0; from < len(partitions); {
		to := from + 1
		for to < len(partitions) && partitions[to].Topic == partitions[from].Topic {
			to++
		}
		var rates []tidemark.PartitionEstimate
		if len(e.Partitions) == len(partitions) {
			rates = e.Partitions[from:to]
		}
		reads = append(reads, readOf(o.Cluster, g, partitions[from:to], rates))
		from = to
	}
	return reads
}

// readOf is one topic of one group; rates are those of the partitions, or none.
func readOf(cluster string, g tidemark.Group, partitions []tidemark.Partition, rates []tidemark.PartitionEstimate) Read {
	total, arrivals, known := tidemark.Total{Complete: true}, 0.0, len(rates) > 0
	for _, p := range partitions {
		total.Add(p)
	}
	for _, e := range rates {
		arrivals += e.Arrivals.PerSecond
		known = known && e.Arrivals.Known
	}
	total.Complete = total.Complete && !g.Reason.Blinds()
	return Read{cluster, partitions[0].Topic, g.Name, len(partitions), lagOf(total, anySeen(total)), when(known, arrivals)}
}
