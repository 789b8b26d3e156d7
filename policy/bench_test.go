package policy_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/aetherlink/tidemark/policy"
)

// BenchmarkDecide decides about groups of 1,000 partitions in the situations that ask
// for most sizes. Source: capacity.md 3.5, at most 5 ms.
func BenchmarkDecide(b *testing.B) {
	for _, c := range []struct {
		name     string
		replicas int
		load     float64 // records per second
	}{
		{"holds", 300, 220_000},
		{"grows from 1", 1, 800_000},
		{"grows as far as helps", 1, 2_000_000},
		{"shrinks from 1,000", 1000, 900},
	} {
		for _, assignor := range []string{"range", "roundrobin", "load-aware"} {
			b.Run(fmt.Sprintf("%s, %s", c.name, assignor), func(b *testing.B) {
				g := newGroup(1000, c.replicas)
				for range 40 { // one look before the past is long enough to shrink
					decide(g, c.load, c.replicas, assignor)
				}
				s := g.sight(c.load)
				s.Group.Assignor = assignor
				before := *g.policy.(*policy.Tidemark)
				for b.Loop() {
					p := before // who has shrunk rests
					p.Decide(s)
				}
			})
		}
	}
}

// decide asks the policy, and leaves the size as it is.
func decide(g *group, load float64, replicas int, assignor string) {
	s := g.sight(load)
	s.Group.Assignor = assignor
	g.policy.Decide(s)
	g.wanted, g.ready = replicas, replicas
}

// BenchmarkTick decides about 5,000 groups of 24 partitions: once per 15 s.
// Source: capacity.md 3.5.
func BenchmarkTick(b *testing.B) {
	const groups = 5000
	one := newGroup(24, 6)
	policies := make([]policy.Policy, groups)
	for i := range policies {
		policies[i] = policy.New(policy.Options{})
	}
	for range 50 {
		s := one.sight(3000)
		for _, p := range policies {
			p.Decide(s)
		}
	}
	for b.Loop() {
		b.StopTimer()
		s := one.sight(3000)
		s.Rows = slices.Clone(s.Rows)
		b.StartTimer()
		for _, p := range policies {
			p.Decide(s)
		}
	}
}
