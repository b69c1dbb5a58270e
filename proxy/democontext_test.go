package main

import (
	"fmt"
	"strings"
	"testing"
)

// What the demo says of requests is counted on them: a lost rule, a changed beginning, and nothing else.
func TestWireLook(t *testing.T) {
	body := func(messages ...string) []byte {
		return fmt.Appendf(nil, `{"messages":[%s],"tools":[]}`, strings.Join(messages, ","))
	}
	first, second := `"`+outgrowRules[0]+`"`, `"`+outgrowRules[1]+`"`
	var l wireLook
	for _, step := range []struct {
		what           string
		body           []byte
		changed, whole int
	}{
		{"the first", body(first), 0, 1},
		{"goes on", body(first, `"a"`), 0, 2},
		{"the same again", body(first, `"a"`), 0, 3},
		{"a rule said late", body(first, `"a"`, second), 0, 4},
		{"a rule lost, and the beginning with it", body(`"a"`, second), 1, 4},
		{"still lost", body(`"a"`, second, `"b"`), 1, 4},
		{"both again", body(first, `"a"`, second), 2, 5},
		{"a rule in other words", body(first, `"a"`, strings.ToUpper(second)), 3, 5},
	} {
		if l.see(step.body); l.changed != step.changed || l.whole != step.whole {
			t.Errorf("%s: %d changed, %d whole", step.what, l.changed, l.whole)
		}
	}
	if l.requests != 8 {
		t.Errorf("%d requests", l.requests)
	}
}
