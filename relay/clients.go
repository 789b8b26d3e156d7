package relay

import (
	"cmp"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// client is one open stream, as others see it.
type client struct {
	visitor   Visitor
	ip, query string
	since     time.Time
	conn      net.Conn      // of a stream that net/http knows nothing of; else nil
	flushed   atomic.Uint64 // the sequence of the ring up to which it has everything
	following atomic.Bool   // it is in the ring; before, it catches up from the log
}

// clients is who is connected.
type clients struct {
	Config
	connects *rate.Limiter

	mu                     sync.Mutex
	open                   map[*client]struct{}
	byIP, byUser, byTenant map[string]int
	left                   chan struct{} // closed when a client leaves, and made anew
}

func newClients(c Config) *clients {
	return &clients{
		Config: c, connects: rate.NewLimiter(rate.Limit(c.MaxConnectRate), max(1, int(c.MaxConnectRate))),
		open: map[*client]struct{}{}, byIP: map[string]int{}, byUser: map[string]int{}, byTenant: map[string]int{},
		left: make(chan struct{}),
	}
}

// admit lets a client in or says which limit it would break. Who is in stays in:
// making room by throwing somebody out only makes that one come back at once.
func (c *clients) admit(who *client) (refused string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	busy := func(tenant string) bool { return c.byTenant[tenant] >= c.MaxClientsPerTenant }
	switch {
	case len(c.open) >= c.MaxClients:
		return "clients"
	case c.byIP[who.ip] >= c.MaxClientsPerIP:
		return "clients_per_ip"
	case who.visitor.User != "" && c.byUser[who.visitor.User] >= c.MaxClientsPerUser:
		return "clients_per_user"
	case slices.ContainsFunc(who.visitor.Tenants, busy):
		return "clients_per_tenant"
	case !c.connects.Allow():
		return "connect_rate"
	}
	who.since = time.Now()
	c.open[who] = struct{}{}
	c.count(who, 1)
	return ""
}

func (c *clients) leave(who *client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, who)
	c.count(who, -1)
	close(c.left)
	c.left = make(chan struct{})
}

func (c *clients) count(who *client, by int) {
	add := func(counts map[string]int, of string) {
		if counts[of] += by; counts[of] == 0 {
			delete(counts, of)
		}
	}
	add(c.byIP, who.ip)
	add(c.byUser, who.visitor.User)
	for _, tenant := range who.visitor.Tenants {
		add(c.byTenant, tenant)
	}
}

// all returns who is connected, in the order of their arrival.
func (c *clients) all() []*client {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]*client, 0, len(c.open))
	for who := range c.open {
		list = append(list, who)
	}
	slices.SortFunc(list, func(a, b *client) int { return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.ip, b.ip)) })
	return list
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

// taken notes the connection of a client that net/http knows nothing of any more.
func (c *clients) taken(who *client, conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	who.conn = conn
}

// cut ends the streams that nobody else would end.
func (c *clients) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for who := range c.open {
		if who.conn != nil {
			_ = who.conn.Close() // that is all we want of it
		}
	}
}

func (c *clients) number() (n int, left <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open), c.left
}

// wait waits until nobody is connected, and returns how many still are after d.
func (c *clients) wait(d time.Duration) int {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		n, left := c.number()
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
