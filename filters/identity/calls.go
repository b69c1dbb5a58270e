package identity

import (
	"bytes"
	"time"

	"github.com/tidwall/gjson"
)

const (
	maxOpenCalls = 256       // of a tenant
	maxOpenBytes = 256 << 10 // of a tenant: texts of open calls
	maxCallBytes = 64 << 10  // of one exchange: arguments of the calls in its answer
	maxTexts     = 64        // of one call
	maxArgDepth  = 16

	// A first message that is a whole argument counts from minWhole bytes on, one inside of an argument from minPart on:
	// shorter ones stand there by chance.
	minWhole = 3
	minPart  = 12
)

// A toolCall is one call that a model made, with the decoded texts of its arguments. It shares no memory with what it was
// read from.
type toolCall struct {
	id   string
	args [][]byte
}

// arguments returns the decoded texts in the arguments of a call, in one piece of memory of its own: raw is a JSON object, or
// a JSON string that holds one, or text for tools without a schema.
func arguments(raw []byte) [][]byte {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || len(raw) > maxCallBytes {
		return nil
	}
	if raw[0] == '"' {
		return argumentText(gjson.ParseBytes(raw).Str)
	}
	return argumentText(string(raw))
}

// argumentText is arguments for what stands in the JSON string.
func argumentText(s string) (texts [][]byte) {
	switch {
	case s == "" || len(s) > maxCallBytes:
		return nil
	case !gjson.Valid(s) || s[0] != '{' && s[0] != '[' && s[0] != '"':
		return [][]byte{[]byte(s)}
	}
	collect(gjson.Parse(s), 0, &texts)
	return texts
}

func collect(v gjson.Result, depth int, texts *[][]byte) {
	switch {
	case len(*texts) == maxTexts || depth == maxArgDepth:
	case v.Type == gjson.String:
		if len(v.Str) >= minWhole {
			*texts = append(*texts, []byte(v.Str))
		}
	case v.IsObject() || v.IsArray():
		v.ForEach(func(_, e gjson.Result) bool {
			collect(e, depth+1, texts)
			return len(*texts) < maxTexts
		})
	}
}

// openCalls are a tenant's tool calls without a result: whoever's first message stands in one is its child.
type openCalls struct {
	list  []openCall // oldest first
	bytes int
}

type openCall struct {
	from *place
	user uint64 // query.userKey: children have the same user
	args [][]byte
	size int
	at   time.Time
}

// add notes calls that were made in the answer to, or stand without a result in, an exchange.
func (o *openCalls) add(from *place, calls []toolCall, now time.Time) {
	for _, c := range calls {
		size := 0
		for _, a := range c.args {
			size += len(a)
		}
		if size == 0 {
			continue
		}
		o.list = append(o.list, openCall{from, from.user, c.args, size, now})
		o.bytes += size
	}
	n := 0
	for n < len(o.list) && (len(o.list)-n > maxOpenCalls || o.bytes > maxOpenBytes) {
		o.bytes -= o.list[n].size
		n++
	}
	o.cut(n)
}

// forget drops the calls of a session: it has gone on, so they have their results or never will.
func (o *openCalls) forget(s *session) {
	o.drop(func(c *openCall) bool { return c.from.sess == s })
}

// abandon drops the calls of an exchange whose answer did not reach its agent.
func (o *openCalls) abandon(p *place) {
	o.drop(func(c *openCall) bool { return c.from == p })
}

func (o *openCalls) drop(which func(*openCall) bool) {
	first := 0
	for first < len(o.list) && !which(&o.list[first]) {
		first++
	}
	if first == len(o.list) {
		return
	}
	kept := o.list[:first]
	for i := first; i < len(o.list); i++ {
		if c := &o.list[i]; which(c) {
			o.bytes -= c.size
		} else {
			kept = append(kept, *c)
		}
	}
	clear(o.list[len(kept):])
	o.list = kept
}

// cut drops the n oldest, whose bytes are already off.
func (o *openCalls) cut(n int) {
	if n == 0 {
		return
	}
	m := copy(o.list, o.list[n:])
	clear(o.list[m:])
	o.list = o.list[:m]
}

func (o *openCalls) shrink() {
	n := len(o.list)/10 + 1
	for i := 0; i < n && i < len(o.list); i++ {
		o.bytes -= o.list[i].size
	}
	o.cut(min(n, len(o.list)))
}

// parent finds the newest open call since then in whose arguments the first user message stands, verbatim.
func (o *openCalls) parent(q *query, since time.Time) *place {
	if len(o.list) == 0 {
		return nil
	}
	texts := q.firstUser()
	for i := len(o.list) - 1; i >= 0; i-- {
		c := &o.list[i]
		if c.user != q.userKey || c.at.Before(since) {
			continue
		}
		for _, arg := range c.args {
			for _, text := range texts {
				if stands(text, arg) {
					return c.from
				}
			}
		}
	}
	return nil
}

// stands reports whether a message stands in an argument.
func stands(text, arg []byte) bool {
	switch {
	case len(text) < minWhole || len(text) > len(arg):
		return false
	case len(text) == len(arg):
		return bytes.Equal(text, arg)
	}
	return len(text) >= minPart && bytes.Contains(arg, text)
}
