package main

import (
	"context"
	"fmt"
	"math"
	"os"

	"github.com/aetherlink/tidemark/relay"
	"github.com/aetherlink/tidemark/relay/access"
	"github.com/aetherlink/tidemark/relay/sink"
)

// inBatch is how many records the sink is given at once: more make an insert longer,
// but hardly cheaper.
const inBatch = 2000

// records is how many records are read as a member at once: a second of slowed down
// work, since more would be kept from other replicas, or a batch of the sink.
func (s settings) records() int {
	if s.sink == "" || s.relay.WorkRate > 0 {
		return int(math.Ceil(s.relay.WorkRate))
	}
	return inBatch
}

// openSink makes it the work to store each event, if a database is named.
func (s settings) openSink(ctx context.Context, o *relay.Options) (end func(), err error) {
	if s.sink == "" {
		return func() {}, nil
	}
	table, err := sink.Open(s.sink)
	if err != nil {
		return nil, err
	}
	end = func() { _ = table.Close() } // all that it took is safe
	if err := table.Migrate(ctx); err != nil {
		end()
		return nil, err
	}
	o.WorkBatch = table.Write
	return end, nil
}

// guard asks for tokens, if an issuer is named.
func (s settings) guard(ctx context.Context, o *relay.Options) error {
	if s.access.Issuer == "" {
		return nil
	}
	c := s.access
	if s.ticketFile != "" {
		secret, err := os.ReadFile(s.ticketFile)
		if err != nil {
			return fmt.Errorf("read the secret for tickets: %w", err)
		}
		c.Secret = secret
	}
	guard, err := access.Open(ctx, access.Options{Config: c, Log: o.Log})
	if err != nil {
		return err
	}
	o.Admit, o.Tickets = guard.Admit, guard
	return nil
}
