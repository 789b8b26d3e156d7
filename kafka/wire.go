package kafka

import (
	"encoding/binary"
	"errors"
	"iter"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The commits are most of what a look reads: a million of them in a large cluster.
// The protocol library makes a struct of 48 bytes and a string of each before
// anybody has looked at it; here they are read where they came, for most of them
// only have to be compared with those that are known.

// commitsRequest is an OffsetFetch whose answer is a [commitsAnswer].
type commitsRequest struct{ *kmsg.OffsetFetchRequest }

// ResponseKind makes the client read the answer our way.
func (r commitsRequest) ResponseKind() kmsg.Response {
	a := &commitsAnswer{}
	a.Default()
	a.Version = r.Version
	return a
}

// commitsAnswer is the answer to an OffsetFetch. Brokers before Kafka 3.0 answer
// with a version below 8, about one group: the library reads that.
type commitsAnswer struct {
	kmsg.OffsetFetchResponse
	told []groupCommits
}

// groupCommits is what was told of one group. It keeps the answer that it is part
// of in memory.
type groupCommits struct {
	name   []byte
	code   int16
	topics cursor // at the first topic
	n      int    // of topics
}

// commit is what was told of one partition.
type commit struct {
	offset    int64
	partition int32
	epoch     int32 // -1: not told
	code      int16
}

var errCutOff = errors.New("answer breaks off")

// ReadFrom checks an answer from its first to its last byte, and notes where each
// group is. What passes here can be read without another check.
func (a *commitsAnswer) ReadFrom(answer []byte) error {
	if a.Version < 8 {
		return a.OffsetFetchResponse.ReadFrom(answer)
	}
	c := cursor{rest: answer}
	c.skip(4) // throttle time
	for range c.length() {
		g := groupCommits{name: c.name()}
		g.n = c.length()
		g.topics = c
		for range g.n {
			c.name()
			for range c.length() {
				c.commit()
			}
			c.tags()
		}
		g.code = int16(c.uint(2))
		c.tags()
		if c.broken {
			return errCutOff
		}
		a.told = append(a.told, g)
	}
	if c.tags(); c.broken {
		return errCutOff
	}
	return nil
}

// each goes through the topics of a group: their names, and how many commits follow.
func (g *groupCommits) each() iter.Seq2[[]byte, commits] {
	return func(yield func([]byte, commits) bool) {
		c := g.topics
		for range g.n {
			name := c.name()
			told := commits{at: c}
			told.n = told.at.length()
			if !yield(name, told) {
				return
			}
			for range c.length() {
				c.commit()
			}
			c.tags()
		}
	}
}

// commits are those that were told of one topic.
type commits struct {
	at cursor
	n  int
}

func (t commits) each() iter.Seq[commit] {
	return func(yield func(commit) bool) {
		c := t.at
		for range t.n {
			if !yield(c.commit()) {
				return
			}
		}
	}
}

// cursor reads the flexible forms of Kafka's protocol. Once broken, it reads zeroes.
type cursor struct {
	rest   []byte
	broken bool
}

// commit reads one partition: number, offset, epoch, what the consumer noted, error.
// Few consumers note anything: then all is at its place in 20 bytes.
func (c *cursor) commit() commit {
	if b := c.rest; len(b) >= 20 && b[16] <= 1 && b[19] == 0 {
		c.rest = b[20:]
		return commit{
			partition: int32(binary.BigEndian.Uint32(b)),
			offset:    int64(binary.BigEndian.Uint64(b[4:])),
			epoch:     int32(binary.BigEndian.Uint32(b[12:])),
			code:      int16(binary.BigEndian.Uint16(b[17:])),
		}
	}
	var out commit
	out.partition = int32(c.uint(4))
	out.offset = int64(c.uint(8))
	out.epoch = int32(c.uint(4))
	c.note()
	out.code = int16(c.uint(2))
	c.tags()
	return out
}

func (c *cursor) skip(n int) []byte {
	if n < 0 || n > len(c.rest) {
		c.rest, c.broken = nil, true
		return nil
	}
	skipped := c.rest[:n]
	c.rest = c.rest[n:]
	return skipped
}

func (c *cursor) uint(size int) uint64 {
	b := c.skip(size)
	switch {
	case b == nil:
		return 0
	case size == 2:
		return uint64(binary.BigEndian.Uint16(b))
	case size == 4:
		return uint64(binary.BigEndian.Uint32(b))
	}
	return binary.BigEndian.Uint64(b)
}

func (c *cursor) varint() int {
	if len(c.rest) > 0 && c.rest[0] < 0x80 { // as good as always
		n := int(c.rest[0])
		c.rest = c.rest[1:]
		return n
	}
	n, size := binary.Uvarint(c.rest)
	if size <= 0 || n > 1<<31-1 {
		c.rest, c.broken = nil, true
		return 0
	}
	c.rest = c.rest[size:]
	return int(n)
}

// length is that of an array, which has at least a byte for each element.
func (c *cursor) length() int {
	n := c.varint() - 1
	if n > len(c.rest) {
		c.rest, c.broken = nil, true
	}
	if c.broken {
		return 0
	}
	return max(0, n)
}

// name is text that has to be there.
func (c *cursor) name() []byte { return c.skip(c.varint() - 1) }

// note is text that need not be there.
func (c *cursor) note() { c.skip(max(0, c.varint()-1)) }

func (c *cursor) tags() {
	for n := c.varint(); n > 0 && !c.broken; n-- {
		c.varint()
		c.skip(c.varint())
	}
}
