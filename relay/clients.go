package relay

import (
	"sync"
	"sync/atomic"
	"time"
)

// client is one open stream, as others see it.
type client struct {
	ip        string
	flushed   atomic.Uint64 // the sequence of the ring up to which it has everything
	following atomic.Bool   // it is in the ring; before, it catches up from the log
}

// clients is who is connected.
type clients struct {
	max, maxPerIP int

	mu   sync.Mutex
	open map[*client]struct{}
	byIP map[string]int
	left chan struct{} // closed when a client leaves, and made anew
}

func newClients(c Config) *clients {
	return &clients{
		max: c.MaxClients, maxPerIP: c.MaxClientsPerIP,
		open: map[*client]struct{}{}, byIP: map[string]int{}, left: make(chan struct{}),
	}
}

// admit lets a client in or says which limit it would break. Who is in stays in:
// making room by throwing somebody out only makes that one come back at once.
func (c *clients) admit(ip string) (who *client, refused string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.open) >= c.max {
		return nil, "clients"
	}
	if c.byIP[ip] >= c.maxPerIP {
		return nil, "clients_per_ip"
	}
	who = &client{ip: ip}
	c.open[who] = struct{}{}
	c.byIP[ip]++
	return who, ""
}

func (c *clients) leave(who *client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, who)
	if c.byIP[who.ip]--; c.byIP[who.ip] == 0 {
		delete(c.byIP, who.ip)
	}
	close(c.left)
	c.left = make(chan struct{})
}

// following returns where the clients that follow the ring stand in it.
func (c *clients) following() []uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	var at []uint64
	for who := range c.open {
		if who.following.Load() {
			at = append(at, who.flushed.Load())
		}
	}
	return at
}

func (c *clients) count() (n int, left <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open), c.left
}

// wait waits until nobody is connected, and returns how many still are after d.
func (c *clients) wait(d time.Duration) int {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		n, left := c.count()
		if n == 0 {
			return 0
		}
		select {
		case <-left:
		case <-timer.C:
			return n
		}
	}
}
