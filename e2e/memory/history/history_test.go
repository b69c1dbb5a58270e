package history

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// What a history claims of itself is so: messages that are said to say the current value say it, and values are said in order.
func TestMake(t *testing.T) {
	styles := map[Style]int{}
	for seed := range uint64(15) {
		h := Make(seed, Default)
		if !reflect.DeepEqual(h, Make(seed, Default)) {
			t.Fatalf("seed %d: two histories of one seed differ", seed)
		}
		var ids []string
		texts := map[string]Message{}
		for i, s := range h.Sessions {
			if i > 0 && !s.At.After(h.Sessions[i-1].At) || !h.End.After(s.At) {
				t.Errorf("%s: not in the order of times", s.ID)
			}
			for _, m := range s.Messages {
				ids = append(ids, m.ID)
				texts[m.ID] = m
			}
		}
		if len(ids) != len(texts) || len(ids) < 100 {
			t.Fatalf("seed %d: %d messages, %d ids", seed, len(ids), len(texts))
		}
		for _, c := range h.Changes {
			styles[c.Style]++
			if (c.Style == Kept) != (len(c.Closed) == 0) || slices.Contains(c.Closed, c.Current) || len(c.Says) == 0 {
				t.Errorf("%s: %+v", h.User, c)
			}
			for _, id := range c.Says {
				if m := texts[id]; m.Role == Tool || !strings.Contains(m.Text, c.Current) {
					t.Errorf("%s does not say %q: %+v", id, c.Current, m)
				}
			}
			for _, old := range c.Closed {
				first := slices.IndexFunc(ids, func(id string) bool { return texts[id].Role == User && strings.Contains(texts[id].Text, old) })
				if first < 0 || first > slices.Index(ids, c.Says[0]) {
					t.Errorf("%s %s: %q is not said before %s", h.User, c.Topic, old, c.Says[0])
				}
			}
		}
		for _, q := range h.Questions {
			for _, id := range q.Evidence {
				if texts[id].Role == Tool {
					t.Errorf("%s: evidence of %q is the output of a tool", id, q.Text)
				}
			}
			if len(q.Evidence) == 0 || strings.Contains(q.Text, "{") {
				t.Errorf("%+v", q)
			}
		}
		for id, m := range texts {
			if strings.ContainsAny(m.Text, "{") && m.Role != Tool {
				t.Errorf("%s: %q", id, m.Text)
			}
		}
	}
	if len(styles) != 3 || styles[Kept] > styles[Plain] {
		t.Error(styles)
	}
}
