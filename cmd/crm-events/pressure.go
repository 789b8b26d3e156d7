package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"time"

	"github.com/aetherlink/tidemark/outbox"
)

// pressure is where Tidemark says how fast consumers can bear it.
type pressure struct{ url string }

func (p pressure) ask(ctx context.Context) (outbox.Allowance, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return outbox.Allowance{}, err
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		return outbox.Allowance{}, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return outbox.Allowance{}, fmt.Errorf("ask %s for the pressure: %s", p.url, answer.Status)
	}
	var signal struct {
		AllowedRate *float64 `json:"allowed_rate"` // absent: no limit
		TTL         float64  `json:"ttl"`          // seconds
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(&signal); err != nil {
		return outbox.Allowance{}, fmt.Errorf("ask %s for the pressure: %w", p.url, err)
	}
	a := outbox.Allowance{EventsPerSecond: math.Inf(1), GoodFor: time.Duration(signal.TTL * float64(time.Second))}
	if signal.AllowedRate != nil {
		a.EventsPerSecond = *signal.AllowedRate
	}
	return a, nil
}
