package identity

import (
	"errors"
	"testing"
	"time"

	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/wire"
)

var errCut = errors.New("cut")

// tape notes what leaves.
type tape struct {
	w interface{ Write([]byte) (int, error) }
}

func (s tape) Emit(e filters.Event) error { _, err := s.w.Write(e.Raw); return err }

func TestRetry(t *testing.T) {
	body := chat(msg("system", "s"), msg("user", "u"))
	fails := map[string]func(k *talk){
		"status":          func(k *talk) { k.fail() },
		"cut":             func(k *talk) { k.body(`{}`).close(filters.ErrTruncated) },
		"agent gone":      func(k *talk) { k.close(filters.ErrAgentGone) },
		"error in stream": func(k *talk) { k.data(`{"error":{"message":"overloaded"}}`).ok() },
	}
	for name, fail := range fails {
		t.Run(name, func(t *testing.T) {
			a := newAgent(t, New(Options{}), wire.Chat)
			first := a.ask(body)
			fail(first)
			second := a.ask(body)
			if !second.Retry || second.RetryOf != first.id || second.Twin {
				t.Fatalf("%+v, want a retry of %s", second.Identity, first.id)
			}
			same(t, "session", second.Session, first.Session)
			same(t, "program", second.Program, first.Program)
			fail(second)
			third := a.ask(body)
			same(t, "retry of the retry", third.RetryOf, second.id)
			third.body(chatCall("call_1", "{}")).ok()
			next := a.one(chat(msg("system", "s"), msg("user", "u"), calls("call_1", "{}"), result("call_1", "x")))
			same(t, "goes on", next.Session, first.Session)
			if next.Retry {
				t.Error("the next request is no retry")
			}
			if again := a.ask(body); again.Retry {
				t.Errorf("nothing has failed: %+v", again.Identity)
			}
		})
	}
}

func TestRetryIsNot(t *testing.T) {
	body := chat(msg("user", "u"))
	t.Run("after success", func(t *testing.T) {
		a := newAgent(t, New(Options{}), wire.Chat)
		a.one(body)
		if id := a.one(body); id.Retry {
			t.Errorf("%+v", id)
		}
	})
	t.Run("another body", func(t *testing.T) {
		a := newAgent(t, New(Options{}), wire.Chat)
		first := a.ask(body).fail()
		id := a.one(body[:len(body)-1] + `,"temperature":0}`)
		if id.Retry {
			t.Errorf("%+v", id)
		}
		same(t, "but it goes on with the session", id.Session, first.Session)
	})
	t.Run("long after", func(t *testing.T) {
		c := &clock{now: time.Unix(1e9, 0)}
		a := newAgent(t, New(Options{Now: c.Now}), wire.Chat)
		a.ask(body).fail()
		c.now = c.now.Add(time.Hour)
		if id := a.one(body); id.Retry {
			t.Errorf("%+v", id)
		}
	})
	t.Run("another tenant", func(t *testing.T) {
		f := New(Options{})
		newAgent(t, f, wire.Chat, "x-api-key", "one").ask(body).fail()
		if id := newAgent(t, f, wire.Chat, "x-api-key", "two").one(body); id.Retry {
			t.Errorf("%+v", id)
		}
	})
	t.Run("another path", func(t *testing.T) {
		f := New(Options{})
		newAgent(t, f, wire.Chat).ask(body).fail()
		if id := newAgent(t, f, wire.Messages).one(body); id.Retry {
			t.Errorf("%+v", id)
		}
	})
}

// Two equal twins fail: each retry takes up one of them.
func TestTwinsRetry(t *testing.T) {
	a := newAgent(t, New(Options{}), wire.Chat)
	body := chat(msg("user", "u"))
	one, two := a.ask(body), a.ask(body)
	one.fail()
	two.fail()
	three, four := a.ask(body), a.ask(body)
	same(t, "first retry", three.RetryOf, one.id)
	same(t, "second retry", four.RetryOf, two.id)
	same(t, "session", three.Session, one.Session)
	same(t, "no session", four.Session, "")
	if id := a.ask(body); id.Retry || !id.Twin {
		t.Errorf("a third: %+v", id.Identity)
	}
}

// The SDK says that it is a retry before we know of a failure.
func TestRetryCounted(t *testing.T) {
	a := newAgent(t, New(Options{}), wire.Chat)
	again := a.with("x-stainless-retry-count", "1")
	body := chat(msg("user", "u"))
	t.Run("under way", func(t *testing.T) {
		first := a.ask(body)
		second := again.ask(body)
		if !second.Retry || second.RetryOf != first.id || second.Twin {
			t.Errorf("%+v", second.Identity)
		}
		same(t, "session", second.Session, first.Session)
		first.close(filters.ErrAgentGone)
		if id := a.ask(body); id.Retry || !id.Twin {
			t.Errorf("after the first has ended: %+v", id.Identity)
		}
		second.fail()
		same(t, "the next", again.ask(body).RetryOf, second.id)
	})
	t.Run("ended well, as far as we know", func(t *testing.T) {
		body := chat(msg("user", "u2"))
		first := a.ask(body)
		first.body(`{}`).ok()
		second := again.ask(body)
		same(t, "retry of", second.RetryOf, first.id)
		same(t, "session", second.Session, first.Session)
	})
	t.Run("of several", func(t *testing.T) {
		body := chat(msg("user", "u3"))
		one, two := a.ask(body), a.ask(body)
		id := again.ask(body)
		if !id.Retry || id.RetryOf != "" || id.Session != "" || id.Program != one.Program {
			t.Errorf("%+v", id.Identity)
		}
		one.fail()
		two.fail()
	})
	t.Run("of nothing we know", func(t *testing.T) {
		id := again.one(chat(msg("user", "u4")))
		if !id.Retry || id.RetryOf != "" || id.Session == "" {
			t.Errorf("%+v", id)
		}
	})
	t.Run("not counted", func(t *testing.T) {
		if id := a.with("x-stainless-retry-count", "0").one(chat(msg("user", "u5"))); id.Retry {
			t.Errorf("%+v", id)
		}
	})
}

// Agents with a session header repeat their bodies like everybody else.
func TestRetryWithHeader(t *testing.T) {
	f := New(Options{})
	a := newAgent(t, f, wire.Responses, "thread-id", "t1", "session-id", "s1")
	body := `{"model":"m","input":"u"}`
	first := a.ask(body)
	first.fail()
	second := a.ask(body)
	same(t, "retry of", second.RetryOf, first.id)
	same(t, "session", second.Session, "t1")
	second.fail()
	if id := newAgent(t, f, wire.Responses, "thread-id", "t2", "session-id", "s1").ask(body); id.Retry || id.Session != "t2" {
		t.Errorf("another thread: %+v", id.Identity)
	}
}
