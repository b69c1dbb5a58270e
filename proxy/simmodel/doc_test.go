package simmodel

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The package comment names every fault and action, and its example is a directive.
func TestDocIsComplete(t *testing.T) {
	b, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(b)
	faults := doc[strings.Index(doc, "# Faults"):]
	for kind := range faultKinds {
		if !regexp.MustCompile(`\b` + kind + `\b`).MatchString(faults) {
			t.Errorf("fault %s is not documented", kind)
		}
	}
	for _, w := range []string{"call", "shell", "say", "think", "tokens", "stamp", "fault"} {
		if !strings.Contains(doc, `"`+w+`"`) || !startsAction(w+" ") {
			t.Errorf("action %s", w)
		}
	}
	steps, ok := FindDirective(doc[strings.Index(doc, "[[sim: shell"):])
	if !ok || len(steps) != 3 || len(steps[0].Calls) != 2 || steps[1].Tokens != 20 || steps[2].Say != "done: $RESULT" {
		t.Errorf("the example reads as %+v", steps)
	}
}
