package drill

import (
	"os"
	"strings"
	"testing"
)

func TestTheManualHasEveryFormOfTheLanguage(t *testing.T) {
	manual, err := os.ReadFile("../docs/drills.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range grammar() {
		if !strings.Contains(string(manual), "`"+rule.form+"`") {
			t.Errorf("docs/drills.md does not have `%s`", rule.form)
		}
	}
}
