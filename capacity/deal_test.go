package capacity_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/aetherlink/tidemark/capacity"
)

func even(partitions int) []float64 { return slices.Repeat([]float64{1}, partitions) }

// The assignors are those of Kafka's Java client; capacity.md 2.6.
func TestAssignorsDealOutAsKafkaDoes(t *testing.T) {
	for _, c := range []struct {
		assignor string
		deal     capacity.Deal
		want     []int
	}{
		{"range", capacity.Deal{Load: even(4), Members: 3}, []int{0, 0, 1, 2}},
		{"range", capacity.Deal{Load: even(6), Topics: []int{3, 3}, Members: 2}, []int{0, 0, 1, 0, 0, 1}},
		{"roundrobin", capacity.Deal{Load: even(6), Topics: []int{3, 3}, Members: 2}, []int{0, 1, 0, 1, 0, 1}},
		{"roundrobin", capacity.Deal{Load: even(4), Members: 3}, []int{0, 1, 2, 0}},
		{"sticky", capacity.Deal{Load: even(4), Owner: []int{0, 0, 1, 1}, Members: 3}, []int{0, 0, 1, 2}},
		{"cooperative-sticky", capacity.Deal{Load: even(6), Owner: []int{0, 1, 2, 0, 1, 2}, Members: 2}, []int{0, 1, 0, 0, 1, 1}},
		{"uniform", capacity.Deal{Load: even(3), Members: 5}, []int{0, 1, 2}},
		{"of their own", capacity.Deal{Load: even(4), Members: 3}, []int{0, 0, 1, 2}},
		{"range", capacity.Deal{Load: even(2)}, []int{-1, -1}},
	} {
		if got := capacity.Assign(c.assignor, c.deal); !slices.Equal(got, c.want) {
			t.Errorf("%s of %d partitions to %d: %v, want %v", c.assignor, len(c.deal.Load), c.deal.Members, got, c.want)
		}
	}
}

func TestStickyGivesEveryoneAsManyAndMovesTheFewest(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		d := capacity.Deal{Load: even(1 + random.IntN(40)), Members: 1 + random.IntN(12)}
		for range d.Load {
			d.Owner = append(d.Owner, random.IntN(15)-1)
		}
		got := capacity.Assign("sticky", d)
		has, had := make([]int, d.Members), make([]int, d.Members)
		moved := 0
		for i, m := range got {
			has[m]++
			if old := d.Owner[i]; old >= 0 && old < d.Members {
				had[old]++
				moved += b2i(old != m)
			}
		}
		if slices.Max(has)-slices.Min(has) > 1 {
			t.Fatalf("%+v: %v have %v", d, got, has)
		}
		if fewest := surplus(had, len(d.Load)); moved != fewest {
			t.Fatalf("%+v: moved %d, want %d", d, moved, fewest)
		}
	}
}

// surplus is how many of what members have they cannot keep if all get as many.
func surplus(had []int, partitions int) (moved int) {
	each, more := partitions/len(had), partitions%len(had)
	for _, n := range slices.Backward(slices.Sorted(slices.Values(had))) {
		room := each + b2i(more > 0)
		more--
		moved += max(0, n-room)
	}
	return moved
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestBalanceMovesOnlyTheSmallOnesThatFillUpTheOther(t *testing.T) {
	d := capacity.Deal{Load: []float64{8, 1, 1, 1, 1, 1, 1, 2}, Owner: []int{0, 0, 0, 0, 1, 1, 1, 1}, Members: 2}
	got := capacity.Balance(d)
	if busiest := d.Busiest(got); busiest != 8 {
		t.Errorf("%v: the busiest has %g/s, want 8/s", got, busiest)
	}
	if moved := moves(d.Owner, got); moved != 3 {
		t.Errorf("%v: %d moved, want 3", got, moved)
	}
}

func moves(before, after []int) (n int) {
	for i := range after {
		n += b2i(i < len(before) && before[i] != after[i])
	}
	return n
}

// zipfian is loads by 1/k^exponent in an order of chance.
func zipfian(partitions int, exponent float64, random *rand.Rand) []float64 {
	loads := make([]float64, partitions)
	for k := range loads {
		loads[k] = 1000 * math.Pow(float64(k+1), -exponent)
	}
	random.Shuffle(partitions, func(i, j int) { loads[i], loads[j] = loads[j], loads[i] })
	return loads
}

// Source: capacity.md 0, finding 5, and 2.6.
func TestBalancedGroupsBusiestHasHardlyMoreThanTheMean(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for _, exponent := range []float64{0, 0.15, 0.35, 0.8} {
		t.Run(fmt.Sprintf("Zipf %g", exponent), func(t *testing.T) {
			for members := 2; members <= 8; members++ {
				d := capacity.Deal{Load: zipfian(48, exponent, random), Members: members}
				total := 0.0
				for _, l := range d.Load {
					total += l
				}
				best := max(total/float64(members), slices.Max(d.Load))
				if over := d.Busiest(capacity.Balance(d))/best - 1; over > 0.1 && 48%members == 0 {
					t.Errorf("%d members: the busiest has %.0f %% more than needed", members, 100*over)
				}
			}
		})
	}
}

func TestRatesThatWaverMoveNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for range 200 {
		d := capacity.Deal{Load: zipfian(24, 0.5, random), Members: 2 + random.IntN(6)}
		d.Owner = capacity.Balance(d)
		for i := range d.Load {
			d.Load[i] *= 1 + 0.04*(2*random.Float64()-1)
		}
		if again := capacity.Balance(d); moves(d.Owner, again) > 0 {
			t.Fatalf("%+v moves to %v", d, again)
		}
	}
}

func TestBalanceOfABalancedGroupIsItself(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	for range 500 {
		d := capacity.Deal{Load: zipfian(1+random.IntN(60), random.Float64(), random), Members: 1 + random.IntN(9)}
		for range d.Load {
			d.Owner = append(d.Owner, random.IntN(12)-1)
		}
		first := capacity.Balance(d)
		d.Owner = first
		if again := capacity.Balance(d); !slices.Equal(first, again) {
			t.Fatalf("%+v: then %v", d, again)
		}
	}
}

func TestNewMemberTakesItsPartAndOnlyWhatItTakesMoves(t *testing.T) {
	d := capacity.Deal{Load: even(24), Members: 3}
	d.Owner = capacity.Balance(d)
	d.Members = 4
	got := capacity.Balance(d)
	if busiest, moved := d.Busiest(got), moves(d.Owner, got); busiest != 6 || moved != 6 {
		t.Errorf("the busiest has %g of 24, %d moved; want 6 and 6", busiest, moved)
	}
}

func TestPartitionThatFillsAMemberIsLeftAloneWithIt(t *testing.T) {
	d := capacity.Deal{Load: []float64{100, 1, 1, 1, 1, 1}, Owner: []int{0, 0, 0, 0, 1, 2}, Members: 3}
	got := capacity.Balance(d)
	for i, m := range got[1:] {
		if m == got[0] {
			t.Errorf("%v: partition %d shares a member with one of 100/s", got, i+1)
		}
	}
}

func TestNobodyGetsWhatTheyMayNotRead(t *testing.T) {
	d := capacity.Deal{Load: []float64{9, 9, 9, 1}, Members: 2, May: func(p, m int) bool { return p < 3 == (m == 0) || p == 2 }}
	for i, m := range capacity.Balance(d) {
		if !d.May(i, m) {
			t.Errorf("partition %d goes to member %d", i, m)
		}
	}
	d.May = func(int, int) bool { return false }
	if got, want := capacity.Balance(d), []int{-1, -1, -1, -1}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestSilentPartitionsAreSharedOutByTheirNumber(t *testing.T) {
	d := capacity.Deal{Load: make([]float64, 12), Members: 4}
	has := make([]int, 4)
	for _, m := range capacity.Balance(d) {
		has[m]++
	}
	if want := []int{3, 3, 3, 3}; !slices.Equal(has, want) {
		t.Errorf("members have %v, want %v", has, want)
	}
}

// Source: capacity.md 3.5, decision cost at P = 1,000.
func BenchmarkBalance1000PartitionsFromScratch(b *testing.B) {
	d := capacity.Deal{Load: zipfian(1000, 0.35, rand.New(rand.NewPCG(1, 1))), Members: 50}
	d.Owner = capacity.Assign("range", d)
	for b.Loop() {
		capacity.Balance(d)
	}
}
