//go:build linux

package kafkatest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Row is what Kafka's own tool says about one partition of one group.
type Row struct {
	Group, Topic           string
	Partition              int32
	Committed, End, Lag    Number
	Member, Host, ClientID string // empty: nobody
}

// Number is a number that the tool knows, or prints as "-".
type Number struct {
	N     int64
	Known bool
}

// Groups asks ConsumerGroupCommand for all groups: the oracle. It costs 1.5 s.
func (c *Cluster) Groups() []Row {
	c.t.Helper()
	rows, err := Parse(c.Tool("ConsumerGroupCommand", "--describe", "--all-groups"))
	if err != nil {
		c.t.Fatal(err)
	}
	return rows
}

// Parse reads the table that ConsumerGroupCommand --describe prints, once for each
// group with a heading of its own. Members without a partition are left out.
func Parse(text string) ([]Row, error) {
	var rows []Row
	var columns []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		switch {
		case len(fields) > 0 && fields[0] == "GROUP":
			columns = fields
		case len(fields) > 0 && len(fields) == len(columns):
			row, placed, err := parseRow(columns, fields)
			if err != nil {
				return nil, fmt.Errorf("read %q: %w", line, err)
			}
			if placed {
				rows = append(rows, row)
			}
		}
	}
	return rows, nil
}

func parseRow(columns, fields []string) (row Row, placed bool, err error) {
	word := func(column string) string {
		i := slices.Index(columns, column)
		if i < 0 || fields[i] == "-" {
			return ""
		}
		return fields[i]
	}
	number := func(column string) Number {
		text := word(column)
		if text == "" || err != nil {
			return Number{}
		}
		var n int64
		n, err = strconv.ParseInt(text, 10, 64)
		return Number{N: n, Known: true}
	}
	partition := number("PARTITION")
	row = Row{
		Group: word("GROUP"), Topic: word("TOPIC"), Partition: int32(partition.N),
		Committed: number("CURRENT-OFFSET"), End: number("LOG-END-OFFSET"), Lag: number("LAG"),
		Member: word("CONSUMER-ID"), Host: word("HOST"), ClientID: word("CLIENT-ID"),
	}
	return row, partition.Known, err
}
