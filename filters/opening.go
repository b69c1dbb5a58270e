package filters

import (
	"bytes"
	"errors"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/trapgate/trapgate/internal/assemble"
	"github.com/trapgate/trapgate/internal/wire"
)

// Opening judges one event of those that a stream begins with. While it is not decided, the event says nothing of what the answer
// will be: it tells that there is a response, or that somebody is at work, and the next event is to be judged. What is decided with a
// status is a refusal: the status and the body, in the dialect's shape, are those that the upstream would have answered with had no
// stream been asked for; 500 where it does not say. Decided with status 0: an answer has begun.
//
// m reads the events for as long as none is decided: it was Reset for the dialect before the first, and is to be Reset behind the
// last. The bytes of the event are not kept.
func Opening(m *wire.Meter, d wire.Dialect, name, data []byte) (decided bool, status int, body []byte) {
	if len(data) == 0 {
		return false, 0, nil // a comment
	}
	if d == wire.Responses || d == wire.Messages {
		return openingByType(d, name, data)
	}
	switch terminal := m.Event(name, data); {
	case terminal, m.FirstToken, len(m.Answer().Finish) > 0:
		return true, 0, nil
	case bytes.Contains(data, errorWord):
		status, body = refusal(wire.Chat, name, data) // an error that is null is none
	}
	return status > 0, status, body
}

var errorWord = []byte(`"error"`)

// openingByType is Opening for dialects whose events have types. The type stands in the event's name; some servers leave that out.
func openingByType(d wire.Dialect, name, data []byte) (decided bool, status int, body []byte) {
	kind := string(name)
	if kind == "" {
		kind = gjson.GetBytes(data, "type").String()
	}
	switch {
	case kind == "", kind == "error":
		status, body = refusal(d, name, data)
	case kind == "response.failed": // what is wrong stands in the response
		if inner := gjson.GetBytes(data, "response.error"); inner.IsObject() {
			status, body = refusal(d, nil, append(append([]byte(`{"type":"error","error":`), inner.Raw...), '}'))
		}
	case saysNothing(d, kind):
		return false, 0, nil
	}
	return true, status, body
}

// saysNothing reports whether a type of event tells of no answer: for responses also what is not of a response, as keepalives.
func saysNothing(d wire.Dialect, kind string) bool {
	switch kind {
	case "response.created", "response.in_progress", "response.queued", "message_start", "ping":
		return true
	}
	return d == wire.Responses && !strings.HasPrefix(kind, "response.")
}

// refusal reads an error event; status 0: it is none.
func refusal(d wire.Dialect, name, data []byte) (status int, body []byte) {
	var a assemble.Assembler
	a.Reset(d)
	var told *assemble.UpstreamError
	if errors.As(a.Event(name, data), &told) {
		return told.Status, told.Body
	}
	return 0, nil
}
