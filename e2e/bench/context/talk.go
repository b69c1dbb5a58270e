package main

import (
	"bytes"
	"fmt"
	"net/http"

	"github.com/trapgate/trapgate/e2e/engine/rig"
)

// A talk is a session's messages in one buffer, so that a request with n of them costs nothing to make: text up to ends[n], and then
// closing. Its first user message numbers it, so that it can be another conversation.
type talk struct {
	text   []byte
	ends   []int // ends[n] is where the first n messages end
	number int   // where the number stands
	points []int // how many messages each request has
}

var closing = []byte("]}")

const numberForm = "%09d"

func newTalk(s *session) *talk {
	t := &talk{text: fmt.Appendf(nil, `{"model":%q,"tools":%s,"messages":[`, modelName, s.Tools)}
	t.ends = append(t.ends, len(t.text))
	add := func(raw string) {
		if len(t.ends) > 1 {
			t.text = append(t.text, ',')
		}
		t.text = append(t.text, raw...)
		t.ends = append(t.ends, len(t.text))
	}
	add(s.Raw[0])
	add(`{"role":"user","content":"Conversation ` + fmt.Sprintf(numberForm, 0) + `."}`)
	t.number = t.ends[2] - len(`."}`) - len(fmt.Sprintf(numberForm, 0))
	for _, raw := range s.Raw[1:] {
		add(raw)
	}
	for _, p := range s.Points {
		t.points = append(t.points, p+1)
	}
	return t
}

// begin makes it another conversation.
func (t *talk) begin(n int) { copy(t.text[t.number:], fmt.Sprintf(numberForm, n)) }

// body is the request at a point, without closing.
func (t *talk) body(point int) []byte { return t.text[:t.ends[t.points[point]]] }

// from is the first point whose request has at least size bytes; the last one if none has.
func (t *talk) from(size int) int {
	for i := range t.points {
		if len(t.body(i)) >= size {
			return i
		}
	}
	return len(t.points) - 1
}

// A side is a gate and a connection to it.
type side struct {
	name string
	*wire
	gate      *rig.Gate
	rewritten int       // answers that say that something was rewritten
	took      []float64 // microseconds
	inside    []float64 // what the filter says it took
}

// openSides starts a gate for each section, all before one upstream that answers at once.
func openSides(names []string, sections [][]string) (sides []*side, stop func(), err error) {
	answer := completion([]byte(`{"role":"assistant","content":"Noted."}`), 0, 0)
	// Without usage, so that nothing is learnt from an upstream that counts nothing.
	answer = append(answer[:bytes.LastIndex(answer, []byte(`,"usage"`))], '}')
	up, err := startUpstream(func(http.Header, []byte) []byte { return answer })
	if err != nil {
		return nil, nil, err
	}
	stop = func() {
		for _, s := range sides {
			_ = s.Close()
			_ = s.gate.Close()
		}
		up.close()
	}
	for i, lines := range sections {
		set := setup{base: up.base(), model: modelName, context: lines}
		g, err := set.start()
		if err != nil {
			stop()
			return nil, nil, err
		}
		w, err := dial(g.Addr())
		if err != nil {
			_ = g.Close()
			stop()
			return nil, nil, err
		}
		sides = append(sides, &side{name: names[i], wire: w, gate: g})
	}
	return sides, stop, nil
}

// measure asks, and keeps how long it took.
func (s *side) measure(body []byte) error {
	us, err := s.ask(body, closing)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	s.took = append(s.took, us)
	if us, ok := spent(s.timing, "rewrite"); ok {
		s.inside = append(s.inside, us)
	}
	s.rewritten += count(bytes.Contains(s.context, []byte("from=")))
	return nil
}
