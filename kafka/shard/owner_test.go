package shard

import (
	"slices"
	"testing"
)

// FuzzAListOfMembersIsReadOrRefused holds that from any list that is read everybody
// finds the same owner, and one who is in it.
func FuzzAListOfMembersIsReadOrRefused(f *testing.F) {
	f.Add(write([]member{{ID: "1", Name: "a"}, {ID: "2", Name: "a"}, {ID: "3", Name: "c"}}), "billing")
	f.Add([]byte(`[]`), "")
	f.Add([]byte(`[null,{"id":7}]`), "\xff")
	f.Fuzz(func(t *testing.T, text []byte, group string) {
		members, err := read(text)
		if err != nil {
			return
		}
		first := owner(members, group)
		if !slices.ContainsFunc(members, func(m member) bool { return m.ID == first }) {
			t.Errorf("%q owns %q, but is not in %v", first, group, members)
		}
		slices.Reverse(members)
		if again := owner(members, group); again != first {
			t.Errorf("%q is owned by %q and by %q", group, first, again)
		}
	})
}
