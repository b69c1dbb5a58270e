package digest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/ctxrewrite/digest"
	"github.com/trapgate/trapgate/ctxrewrite/tokens"
	"github.com/trapgate/trapgate/internal/wire"
)

// A session is a long conversation with planted rules and codes.
type session struct {
	Raw  []string
	Pins []struct {
		Message int
		Text    string
	}
	IDs []struct {
		Message int
		Code    string
		Label   string
	}
}

// dataDir is where the replay data is kept: beside the repository, or where TRAPGATE_DATA says.
func dataFile(tb testing.TB, name string) []byte {
	dir := os.Getenv("TRAPGATE_DATA")
	if dir == "" {
		dir = "../../../shared/data"
	}
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		tb.Skipf("SKIP: the replay data %s is missing (TRAPGATE_DATA): %v", name, err)
	}
	return b
}

func loadSession(tb testing.TB) *session {
	name := os.Getenv("TRAPGATE_SESSION")
	if name == "" {
		name = "tau_session_dev.json"
	}
	var s session
	if err := json.Unmarshal(dataFile(tb, name), &s); err != nil {
		tb.Fatal(err)
	}
	return &s
}

func chatView(tb testing.TB, messages []string) *wire.View {
	body := `{"model":"m","messages":[` + strings.Join(messages, ",") + `]}`
	v, err := wire.Acquire(wire.Chat, []byte(body), wire.Limits{})
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// task keeps the system message and the first user message, as the engine does.
func task(i int) bool { return i < 2 }

// TestReplay evicts a long session in epochs of some 13k tokens, as a 32k window makes them.
func TestReplay(t *testing.T) {
	s := loadSession(t)
	d, average := replay(t, s)
	text := plain(t, d)
	exact := tokens.Count(text)
	for _, part := range d.Sections() {
		t.Logf("%-10s %4d tokens", part.Name, tokens.Count(part.Text))
	}
	if os.Getenv("TRAPGATE_SHOW") != "" {
		t.Log(text)
	}
	pins, ids := s.kept(t, text)
	t.Logf("pins %d/%d, codes %d/%d, %d tokens on average, %d at the end", pins, len(s.Pins), ids, len(s.IDs), average, exact)
	if pins < len(s.Pins) || ids*100 < 98*len(s.IDs) {
		t.Errorf("pins %d of %d, codes %d of %d", pins, len(s.Pins), ids, len(s.IDs))
	}
	if average > 1200 || exact > 1800 {
		t.Errorf("the digest has %d tokens on average and %d at the end: 1,200 and 1,800 are allowed", average, exact)
	}
}

// TestReplayInOtherWords is TestReplay with the rules and codes said in other ways.
func TestReplayInOtherWords(t *testing.T) {
	s := loadSession(t)
	rules := []string{
		"It is forbidden to rename passengers under fare class %s.", "See to it that code %s is repeated to the caller.",
		"Refuse any booking of seat %s for that group.", "No agent is allowed to waive fees without supervisor %s.", "Phone number %s is off limits.",
		"Keep phone number %s secret.", "Group %s is not to be seated in row 9.", "Under no circumstances give seat %s away.",
		"Fees can only be waived by supervisor %s.", "Make sure that %s appears in no note.",
	}
	codes := []string{
		"For the record: %s has the code %s.", "The %s opens with %s.", "Write this down: %s, %s.", "The number on the %s reads %s!", "By the way, %s = %s",
	}
	for i := range s.Pins {
		p := &s.Pins[i]
		text := fmt.Sprintf(rules[i%len(rules)], fmt.Sprintf("%d-%04XQ", 10+i, 4000+97*i))
		s.replace(t, p.Message, p.Text, text)
		p.Text = text
	}
	for i, p := range s.IDs {
		s.replace(t, p.Message, "Note: the code of the "+p.Label+" is "+p.Code+".", fmt.Sprintf(codes[i%len(codes)], p.Label, p.Code))
	}
	d, average := replay(t, s)
	text := plain(t, d)
	pins, ids := s.kept(t, text)
	t.Logf("pins %d/%d, codes %d/%d, %d tokens on average, %d at the end", pins, len(s.Pins), ids, len(s.IDs), average, tokens.Count(text))
	if pins < len(s.Pins) || ids*100 < 95*len(s.IDs) {
		t.Errorf("pins %d of %d, codes %d of %d", pins, len(s.Pins), ids, len(s.IDs))
	}
}

// replace changes what was planted in a message; the data holds it in its escaped form.
func (s *session) replace(t *testing.T, message int, old, text string) {
	raw := strings.Replace(s.Raw[message], old, text, 1)
	if raw == s.Raw[message] {
		t.Fatalf("message %d does not hold %q", message, old)
	}
	s.Raw[message] = raw
}

// kept counts the rules and codes that text holds.
func (s *session) kept(t *testing.T, text string) (pins, ids int) {
	for _, p := range s.Pins {
		if strings.Contains(text, p.Text) {
			pins++
		} else {
			t.Logf("lost rule: %s", p.Text)
		}
	}
	for _, p := range s.IDs {
		if strings.Contains(text, p.Code) {
			ids++
		} else {
			t.Logf("lost code: %s %s", p.Label, p.Code)
		}
	}
	return pins, ids
}

// replay evicts the session and returns the last digest, and the average size in tokens of the digest that requests carry.
func replay(t *testing.T, s *session) (*digest.Digest, int) {
	v := chatView(t, s.Raw)
	defer v.Release()
	opt := digest.ForWindow(32768)
	var d *digest.Digest
	from, cost, epochs, sum := 0, 0, 0, 0
	for i := range v.Msgs {
		cost += tokens.Estimate(v.Raw(v.Msgs[i].Span))
		last := i == len(v.Msgs)-1
		if !last && (cost < 13000 || v.Msgs[i+1].Role != wire.Assistant) {
			continue
		}
		d, _ = digest.Extend(d, v, from, i+1, task, &opt)
		n := tokens.Count(plain(t, d))
		epochs++
		if !last {
			sum += n // the requests of the next epoch carry it
		}
		t.Logf("epoch %2d: to message %4d, %5d tokens evicted, digest %4d tokens, estimated %4d", epochs, i+1, cost, n, d.Tokens())
		from, cost = i+1, 0
	}
	return d, sum / epochs
}

// plain is the decoded text of a digest, which must be valid inside a JSON string.
func plain(tb testing.TB, d *digest.Digest) string {
	var s string
	if err := json.Unmarshal(append(append([]byte{'"'}, d.Text()...), '"'), &s); err != nil {
		tb.Fatalf("no JSON string: %v\n%s", err, d.Text())
	}
	if !bytes.HasPrefix([]byte(s), []byte("\n\n")) && s != "" {
		tb.Fatalf("no separator: %.40q", s)
	}
	return s
}
