package relay

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// maxPartitions bounds what an id from outside can make us allocate: 128 KiB.
const maxPartitions = 1 << 14

// maxPlain is how many partitions an id names one by one: it stays below 128
// bytes, beyond which a browser would ask before it sends it to another origin.
const maxPlain = 9

// vector holds the next offset of each partition. A partition that is not in it
// was created later and begins at 0; so the zero vector is the beginning of
// everything.
type vector []int64

func (v vector) at(partition int32) int64 {
	if int(partition) >= len(v) {
		return 0
	}
	return v[partition]
}

func (v *vector) set(partition int32, next int64) {
	for int(partition) >= len(*v) {
		*v = append(*v, 0)
	}
	(*v)[partition] = next
}

// cursor is where one reader stands in the topic. As text it is the id of a frame:
//
//	v1.k3f9qa.lzt8k2b7.0-2t_1-1n_2-4
//
// that is version, epoch of the topic, the latest record timestamp (ms) and the
// next offset per partition, numbers in base 36. The letters are those that a
// browser may send in a header without asking first (events.md section 1). With
// more partitions than nine, the version is v1p and the last part is packed.
type cursor struct {
	epoch string
	at    int64
	next  vector
}

func (c cursor) clone() cursor {
	c.next = slices.Clone(c.next)
	return c
}

// advance moves the cursor past one record.
func (c *cursor) advance(partition int32, offset, timestamp int64) {
	c.next.set(partition, offset+1)
	c.at = max(c.at, timestamp)
}

func (c cursor) append(b []byte) []byte {
	packed := len(c.next) > maxPlain
	if packed {
		b = append(b, "v1p."...)
	} else {
		b = append(b, "v1."...)
	}
	b = append(b, c.epoch...)
	b = append(b, '.')
	b = strconv.AppendInt(b, c.at, 36)
	if packed {
		return c.next.pack(append(b, '.'))
	}
	separator := byte('.')
	for partition, next := range c.next {
		if next == 0 {
			continue
		}
		b = append(b, separator)
		b = strconv.AppendInt(b, int64(partition), 36)
		b = append(b, '-')
		b = strconv.AppendInt(b, next, 36)
		separator = '_'
	}
	if separator == '.' {
		b = append(b, '.')
	}
	return b
}

// pack writes the next offsets, in the order of the partitions, as base64 of
// varints: 7 letters for an offset of a million million instead of 11.
func (v vector) pack(b []byte) []byte {
	var varints []byte
	for _, next := range v {
		varints = binary.AppendUvarint(varints, uint64(next))
	}
	return base64.RawURLEncoding.AppendEncode(b, varints)
}

func unpack(text string) (vector, error) {
	varints, err := base64.RawURLEncoding.DecodeString(text)
	var v vector
	for len(varints) > 0 && len(v) < maxPartitions && err == nil {
		next, n := binary.Uvarint(varints)
		if n <= 0 || next > math.MaxInt64 {
			break
		}
		v, varints = append(v, int64(next)), varints[n:]
	}
	if err != nil || len(varints) > 0 {
		return nil, errors.New("the id's packed offsets are not what we wrote")
	}
	return v, nil
}

func (c cursor) String() string { return string(c.append(nil)) }

// parseCursor reads what append wrote. Its errors are shown to the client.
func parseCursor(text string) (cursor, error) {
	parts := strings.Split(text, ".")
	if len(parts) != 4 || parts[0] != "v1" && parts[0] != "v1p" || !isEpoch(parts[1]) {
		return cursor{}, errors.New("an id has the form v1.epoch.time.partition-offset_…")
	}
	at, err := strconv.ParseInt(parts[2], 36, 64)
	if err != nil || at < 0 {
		return cursor{}, fmt.Errorf("the id's time %q is no time in base 36", parts[2])
	}
	c := cursor{epoch: parts[1], at: at}
	if parts[0] == "v1p" {
		c.next, err = unpack(parts[3])
		return c, err
	}
	if parts[3] == "" {
		return c, nil
	}
	for pair := range strings.SplitSeq(parts[3], "_") {
		p, o, _ := strings.Cut(pair, "-")
		partition, errPartition := strconv.ParseInt(p, 36, 32)
		next, errNext := strconv.ParseInt(o, 36, 64)
		if errPartition != nil || errNext != nil || partition < 0 || partition >= maxPartitions || next < 0 {
			return cursor{}, fmt.Errorf("the id's part %q is no partition-offset in base 36", pair)
		}
		c.next.set(int32(partition), next)
	}
	return c, nil
}

func isEpoch(text string) bool {
	_, err := strconv.ParseUint(text, 36, 32)
	return err == nil
}
