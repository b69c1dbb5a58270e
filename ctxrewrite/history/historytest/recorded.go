package historytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/trapgate/trapgate/internal/wire"
)

// A Named is a recorded body.
type Named struct {
	Name    string
	Dialect wire.Dialect
	Body    []byte
}

// Recorded gives what real agents sent, and a long recorded session as it stood before several of its calls, in all three
// dialects. It skips the test where the recordings are not there.
func Recorded(t testing.TB) []Named {
	t.Helper()
	dir := dataDir(t)
	files, _ := filepath.Glob(filepath.Join(dir, "captured", "*.json"))
	if len(files) == 0 {
		t.Skip("SKIP: shared/data/captured has no recorded bodies")
	}
	var all []Named
	for _, f := range files {
		body := read(t, f)
		n := Named{filepath.Base(f), wire.Chat, body}
		var top map[string]json.RawMessage
		if err := json.Unmarshal(body, &top); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if top["input"] != nil {
			n.Dialect = wire.Responses
		}
		all = append(all, n)
	}
	s := readSession(t, filepath.Join(dir, "tau_session_dev.json"))
	for _, share := range []int{100, 25, 4, 1} { // whole, then shorter ones
		point := s.Points[(len(s.Points)-1)/share]
		for _, d := range []wire.Dialect{wire.Chat, wire.Responses, wire.Messages} {
			all = append(all, Named{fmt.Sprintf("session-%d-%v", point, d), d, s.body(t, point, d)})
		}
	}
	return all
}

// dataDir is the folder of recordings beside the repository.
func dataDir(t testing.TB) string {
	dir, err := os.Getwd()
	for ; err == nil && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			data := filepath.Join(dir, "../shared/data")
			if _, err := os.Stat(data); err == nil {
				return data
			}
			break
		}
	}
	t.Skip("SKIP: ../shared/data is absent: what real agents sent is not tested")
	return ""
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A session is a recorded conversation of the chat dialect: each message as it was sent, and the indexes of those that the
// model wrote.
type session struct {
	Tools  json.RawMessage
	Raw    []string
	Points []int
}

func readSession(t testing.TB, file string) *session {
	var s session
	if err := json.Unmarshal(read(t, file), &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

// body is the request that asks for message point.
func (s *session) body(t testing.TB, point int, d wire.Dialect) []byte {
	messages := s.Raw[:point]
	if d == wire.Chat {
		return list(fmt.Sprintf(`{"model":"model-1","tools":%s,"messages":[`, s.Tools), messages)
	}
	var out, system []string
	for _, raw := range messages {
		var m chatMessage
		if err := json.Unmarshal([]byte(raw), &m); err != nil {
			t.Fatal(err)
		}
		switch {
		case m.Role == "system" && d == wire.Messages:
			system = append(system, m.text())
		case d == wire.Responses:
			out = append(out, m.items()...)
		default:
			out = append(out, m.blocks()...)
		}
	}
	if d == wire.Responses {
		return list(`{"model":"model-1","store":false,"input":[`, out)
	}
	return list(fmt.Sprintf(`{"model":"model-1","max_tokens":4096,"system":%s,"messages":[`, encode(system[0])), out)
}

func list(head string, elements []string) []byte {
	b := bytes.NewBufferString(head)
	for i, e := range elements {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(e)
	}
	b.WriteString("]}")
	return b.Bytes()
}

// A chatMessage is read to be written in another dialect.
type chatMessage struct {
	Role    string
	Content *string
	ID      string `json:"tool_call_id"`
	Calls   []struct {
		ID       string
		Function struct{ Name, Arguments string }
	} `json:"tool_calls"`
}

func (m *chatMessage) text() string {
	if m.Content == nil {
		return ""
	}
	return *m.Content
}

// items writes a message as items of the responses dialect.
func (m *chatMessage) items() (out []string) {
	if m.Role == "tool" {
		return []string{encode(object{{"type", "function_call_output"}, {"call_id", m.ID}, {"output", m.text()}})}
	}
	if m.text() != "" || len(m.Calls) == 0 {
		out = append(out, encode(object{{"type", "message"}, {"role", m.Role}, {"content", m.text()}}))
	}
	for _, c := range m.Calls {
		out = append(out, encode(object{
			{"type", "function_call"}, {"call_id", c.ID}, {"name", c.Function.Name}, {"arguments", c.Function.Arguments},
		}))
	}
	return out
}

// blocks writes a message in the messages dialect. The recorded session has no parallel calls, so each result is a message.
func (m *chatMessage) blocks() []string {
	if m.Role == "tool" {
		result := object{{"type", "tool_result"}, {"tool_use_id", m.ID}, {"content", m.text()}}
		return []string{encode(object{{"role", "user"}, {"content", []any{result}}})}
	}
	if len(m.Calls) == 0 {
		return []string{encode(object{{"role", m.Role}, {"content", m.text()}})}
	}
	var blocks []any
	if m.text() != "" {
		blocks = append(blocks, object{{"type", "text"}, {"text", m.text()}})
	}
	for _, c := range m.Calls {
		blocks = append(blocks, object{
			{"type", "tool_use"}, {"id", c.ID}, {"name", c.Function.Name}, {"input", json.RawMessage(c.Function.Arguments)},
		})
	}
	return []string{encode(object{{"role", m.Role}, {"content", blocks}})}
}

func encode(v any) string {
	var e encoder
	e.value(v)
	return string(e.buf)
}
