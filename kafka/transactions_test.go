package kafka_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/aetherlink/tidemark/kafka"
)

// begin opens a transaction that writes so many records to the first partition of
// a topic, and returns a function that ends it.
func (w *world) begin(topic string, records int) (end func(kgo.TransactionEndTry)) {
	w.t.Helper()
	client, err := kgo.NewClient(
		kgo.SeedBrokers("localhost:9092"), kgo.Dialer(w.net.VirtualNetwork.DialContext), kgo.DisableClientMetrics(),
		kgo.TransactionalID("billing"), kgo.TransactionTimeout(15*time.Minute), kgo.RecordPartitioner(kgo.ManualPartitioner()),
	)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(client.Close)
	if err := client.BeginTransaction(); err != nil {
		w.t.Fatal(err)
	}
	for range records {
		if err := client.ProduceSync(w.t.Context(), &kgo.Record{Topic: topic, Value: []byte("x")}).FirstErr(); err != nil {
			w.t.Fatal(err)
		}
	}
	return func(how kgo.TransactionEndTry) {
		if err := client.EndTransaction(w.t.Context(), how); err != nil {
			w.t.Fatal(err)
		}
	}
}

func TestReadersGetWhatWasCommittedAndTheMarkersThatEndIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 0)
		w.begin("orders", 2)(kgo.TryCommit)
		w.begin("orders", 1)(kgo.TryAbort)
		w.begin("orders", 1)(kgo.TryCommit)

		var got []string
		for _, r := range read(t, tail(t, w, kafka.TailOptions{Topic: "orders"}), 6) {
			got = append(got, fmt.Sprintf("%d control=%v", r.Offset, r.Control))
		}

		check(t, "read", strings.Join(got, ", "), "0 control=false, 1 control=false, 2 control=true, 4 control=true, 5 control=false, 6 control=true")
	})
}

func TestOpenTransactionIsNamedWhereItHoldsReadersBack(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		end := w.begin("orders", 5)
		w.commit("behind", "orders", 7, 10, 10, 10)
		w.commit("held", "orders", 10, 10, 10, 10)
		c := w.collector()
		began := time.Now()
		check(t, "first look, for it may be a short one", lags(look(t, c), "held"), "5 0 0 0")
		time.Sleep(15 * time.Second)

		s := look(t, c)

		check(t, "held", lags(s, "held"), "5:open_transaction 0 0 0")
		check(t, "behind", lags(s, "behind"), "8 0 0 0")
		log := s.Topics[0].Partitions[0]
		check(t, "where it holds", log.Stable, 10)
		check(t, "since", log.Held.Sub(began).Round(time.Second), time.Duration(0))

		end(kgo.TryCommit)
		time.Sleep(15 * time.Second)
		s = look(t, c)
		check(t, "once it has ended", lags(s, "held"), "6 0 0 0") // and its marker
		check(t, "held no longer", s.Topics[0].Partitions[0].Held, time.Time{})
	})
}

func TestTransactionsThatComeAndGoHoldNobody(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.commit("billing", "orders", 10, 10, 10, 10)
		c := w.collector()
		for range 8 {
			end := w.begin("orders", 1)
			s := look(t, c)
			end(kgo.TryCommit)
			w.commit("billing", "orders", s.Topics[0].Partitions[0].End, 10, 10, 10)
			for _, p := range s.Of("billing") {
				check(t, "reason", p.Reason, "")
			}
			time.Sleep(15 * time.Second)
		}
	})
}

func TestOnlyTopicsThatHoldReadersCostARequestInEachLook(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.topic("other", 10)
		w.begin("orders", 5)
		c := w.collector()
		look(t, c)
		time.Sleep(15 * time.Second)
		before := look(t, c)
		check(t, "requests", requests(before, look(t, c))["ListOffsets"], int64(2*leaders(w, "orders", "other")+leaders(w, "orders")))
	})
}

// leaders is how many brokers lead partitions of the topics.
func leaders(w *world, topics ...string) int {
	found := map[int32]bool{}
	for _, topic := range topics {
		for p := range int32(4) {
			found[w.cluster.LeaderFor(topic, p)] = true
		}
	}
	return len(found)
}
