package shard

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// member is one who shares.
type member struct {
	ID   string `json:"id"`   // the coordinator's, another one after each restart
	Name string `json:"name"` // its own
}

// owner returns the id of the member whose share a group is in: the one whose name
// and the group's, hashed together, come first (rendezvous hashing; Thaler and
// Ravishankar, 1998). When one of three goes, its third of the groups is dealt to
// the two others and nothing else moves; when it comes back under its name, it gets
// the same ones. Two of the same name are told apart by their ids.
func owner(members []member, group string) string {
	var first member
	var least [sha256.Size]byte
	for i, m := range members {
		rank := sha256.Sum256([]byte(m.Name + "\x00" + group))
		before := bytes.Compare(rank[:], least[:])
		if i == 0 || before < 0 || before == 0 && m.ID < first.ID {
			first, least = m, rank
		}
	}
	return first.ID
}

func names(members []member) []string {
	list := make([]string, len(members))
	for i, m := range members {
		list[i] = m.Name
	}
	slices.Sort(list)
	return list
}

// write makes of a list of members what the coordinator hands on.
func write(members []member) []byte {
	text, _ := json.Marshal(members) // strings always can be
	return text
}

// read is the reverse of write.
func read(text []byte) ([]member, error) {
	var members []member
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, fmt.Errorf("read the list of members: %w", err)
	}
	if len(members) == 0 {
		return nil, errors.New("read the list of members: nobody is in it")
	}
	return members, nil
}
