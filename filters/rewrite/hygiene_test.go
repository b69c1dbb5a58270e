package rewrite

import (
	"fmt"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/ctxrewrite"
	"github.com/trapgate/trapgate/ctxrewrite/hygiene"
)

// stamped is a request whose system text tells the time.
func stamped(minute, turns int) []byte {
	return []byte(strings.Replace(string(long(turns)), rule, fmt.Sprintf(`%s\nIt is 12:%02d.\nBe brief.`, rule, minute), 1))
}

func TestVolatileIsReported(t *testing.T) {
	t.Parallel()
	f := newFilter(t, 1_000_000, nil)
	for i := range 3 {
		body := stamped(i, 20+i)
		s := run(t, f, someone, body, nil)
		if string(s.Sent[0]) != string(body) {
			t.Fatal("bytes changed")
		}
		var cost int
		if _, err := fmt.Sscanf(s.note, "volatile=2; cost=%d", &cost); (err == nil && cost > 2000 && len(s.trail) == 1 && s.trail[0] == "volatile") != (i > 0) {
			t.Errorf("%d: %q %v", i, s.note, s.trail)
		}
	}
	if c := f.Hygiene(); c.Volatile != 2 || c.Moved != 0 {
		t.Errorf("%+v", c)
	}
	if s := run(t, f, someone, stamped(9, 20), [][2]string{{header, "off"}}); s.note != "" {
		t.Error(s.note)
	}
}

// Moved lines and epochs get along: each request begins with the one before, but for where an epoch is swapped in.
func TestVolatileIsMoved(t *testing.T) {
	t.Parallel()
	move := func(s *Settings) { s.Hygiene = hygiene.Settings{Volatile: hygiene.VolatileMove, CacheKey: true} }
	f := newFilter(t, 6000, nil, move)
	before, epochs, warm := "", map[string]bool{}, 0
	for i := range 60 {
		s := run(t, f, someone, stamped(i%60, 5+i), nil)
		sent := string(s.Sent[0])
		if !strings.HasPrefix(sent, `{"prompt_cache_key":"`) || i > 0 && !strings.Contains(s.note, "moved") || !strings.Contains(sent, fmt.Sprintf("12:%02d", i)) {
			t.Fatalf("%d: %s\n%s", i, s.note, sent)
		}
		if strings.HasPrefix(sent, strings.TrimSuffix(before, "]}")) && before != "" {
			warm++
		}
		if epoch, _, _ := strings.Cut(s.note, ";"); strings.HasPrefix(epoch, "epoch=") {
			epochs[epoch] = true
		}
		before = sent
	}
	if want := 60 - 2 - len(epochs); len(epochs) < 2 || warm < want {
		t.Errorf("%d of 60 are a prefix of the next, want %d; %v", warm, want, epochs)
	}
	observing := newFilter(t, 6000, nil, move, func(s *Settings) { s.Engine.Mode = ctxrewrite.Observe })
	for i := range 3 {
		body := stamped(i, 60)
		if s := run(t, observing, someone, body, nil); string(s.Sent[0]) != string(body) || i > 0 && !strings.Contains(s.note, "volatile=2") {
			t.Error(s.note)
		}
	}
}
