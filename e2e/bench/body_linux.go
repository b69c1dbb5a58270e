package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// head makes the head of a chat request as an SDK would send it. stream asks the bench's model server for count tokens, gap
// nanoseconds apart; an empty one for a unary answer.
func requestHead(host string, length int, stream string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\n", host)
	b.WriteString("Content-Type: application/json\r\nUser-Agent: bench/1.0\r\nAuthorization: Bearer sk-bench-0123456789abcdef\r\n")
	b.WriteString("Accept-Encoding: identity\r\nX-Stainless-Lang: none\r\nX-Stainless-Retry-Count: 0\r\n")
	if stream != "" {
		fmt.Fprintf(&b, "X-Bench: %s\r\n", stream)
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n", length)
	return []byte(b.String())
}

// talks is how many conversations a connection's small requests turn through; 0: each request is a new one.
var talks int

// A small request is 0.2 KB of body in one buffer, with a number inside that says which conversation it is.
type small struct {
	raw   []byte
	at    int // of the number's last digit
	first []byte
	sent  int
}

func newSmall(host, stream string, seed uint64) *small {
	flag := ""
	if stream != "" {
		flag = `"stream":true,"stream_options":{"include_usage":true},`
	}
	mark := fmt.Sprintf("%016d", seed)
	body := `{"messages":[{"role":"system","content":"You are a helpful assistant."},{"role":"user","content":` +
		`"Ticket ` + mark + `: what does a gate do, in one sentence?"}],"model":"bench-1",` + flag + `"temperature":0}`
	head := requestHead(host, len(body), stream)
	at := len(head) + strings.Index(body, mark) + len(mark) - 1
	return &small{raw: append(head, body...), at: at, first: []byte(mark)}
}

// next returns the request with its number raised by one, or with the first one again after talks requests. The bytes are
// valid until the next call.
func (s *small) next() []byte {
	if s.sent++; talks > 0 && s.sent%talks == 0 {
		copy(s.raw[s.at+1-len(s.first):], s.first)
	}
	for i := s.at; ; i-- {
		if s.raw[i] != '9' {
			s.raw[i]++
			return s.raw
		}
		s.raw[i] = '0'
	}
}

// A conversation is an agent's body of 435 KB: tools, a system prompt, and 200 messages of which half are tool calls with
// long results, followed by short turns that requests reveal one by one.
type conversation struct {
	host, stream string
	raw          []byte // from the first byte of the body up to the last turn
	turns        []int  // raw[:turns[i]] holds i more turns
	marks        []int  // where each message holds a number of eight digits
	tail         []byte
}

const (
	bigBody  = 435_000
	messages = 200
)

// newConversation makes one whose every message differs from those of another seed.
func newConversation(host, stream string, turns int, seed uint64) *conversation {
	r := rand.New(rand.NewPCG(1, 2)) // the text is the same in every run; stamp makes conversations differ
	c := &conversation{host: host, stream: stream}
	var b strings.Builder
	b.WriteString(`{"messages":[`)
	open := func(text string) {
		if b.Len() > len(`{"messages":[`) {
			b.WriteByte(',')
		}
		b.WriteString(text)
	}
	mark := func() {
		c.marks = append(c.marks, b.Len())
		b.WriteString("00000000")
	}
	open(`{"role":"system","content":"You are a careful engineer. Run `)
	mark()
	b.WriteString(`. ` + prose(r, 6000) + `"}`)
	result := (bigBody - 6000) / ((messages - 2) / 2) // bytes for each pair of a call and its result
	for i := 0; i < messages-2; i += 2 {
		open(fmt.Sprintf(`{"role":"assistant","content":"%s","tool_calls":[{"id":"call_`, prose(r, 120)))
		mark()
		fmt.Fprintf(&b, `%04d","type":"function","function":{"name":"read_file","arguments":"{\"path\": \"pkg/part%d/file%d.go\", \"limit\": 200}"}}]}`, i, i%7, i)
		open(`{"role":"tool","tool_call_id":"call_`)
		mark()
		fmt.Fprintf(&b, `%04d","content":"%s"}`, i, code(r, result-430))
	}
	open(`{"role":"user","content":"`)
	mark()
	b.WriteString(` go on"}`)
	ends := []int{b.Len()}
	for i := range turns {
		fmt.Fprintf(&b, `,{"role":"assistant","content":"Step %d is done."},{"role":"user","content":"Go on with step %d."}`, i, i+1)
		ends = append(ends, b.Len())
	}
	c.raw, c.turns = []byte(b.String()), ends
	flag := ""
	if stream != "" {
		flag = `,"stream":true`
	}
	c.tail = []byte(`],"model":"bench-1","tools":[` + tools() + `],"parallel_tool_calls":true` + flag + `}`)
	c.stamp(seed)
	return c
}

// stamp writes a number into every message, so that the conversation is another one from its first message on.
func (c *conversation) stamp(seed uint64) {
	digits := fmt.Sprintf("%08d", seed%100_000_000)
	for _, at := range c.marks {
		copy(c.raw[at:], digits)
	}
}

// request returns head, body and tail of the request after n more turns.
func (c *conversation) request(n int) [][]byte {
	body := c.raw[:c.turns[n]]
	return [][]byte{requestHead(c.host, len(body)+len(c.tail), c.stream), body, c.tail}
}

var words = strings.Fields("the gate opens when a request has a place and closes when it is done so that no other waits " +
	"for what was already given back while every byte keeps its order and each error says what to do about it")

func prose(r *rand.Rand, n int) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(words[r.IntN(len(words))])
		b.WriteByte(' ')
	}
	return b.String()[:n-1] + "."
}

// code looks like a source file inside a JSON string. Of 1,024 bytes about 36 are backslashes and 9 escaped quotes, as in the
// recorded histories of coding agents: escapes are what a reader of JSON strings pays for.
func code(r *rand.Rand, n int) string {
	var b strings.Builder
	word := func() string { return words[r.IntN(len(words))] }
	for i := 1; b.Len() < n; i++ {
		switch i % 5 {
		case 0:
			fmt.Fprintf(&b, `%d\tlog(\"%s %s\", %s, %s)\n`, i, word(), word(), word(), word())
		case 1:
			fmt.Fprintf(&b, `%d\t# %s %s %s %s %s %s\n`, i, word(), word(), word(), word(), word(), word())
		default:
			fmt.Fprintf(&b, `%d    %s = %s.%s(%s[%d], %s)\n`, i, word(), word(), word(), word(), r.IntN(1000), word())
		}
	}
	s := b.String()[:n]
	return strings.TrimRight(s, `\`) // never end inside an escape
}

func tools() string {
	var list []string
	for _, name := range []string{"read_file", "write_file", "run", "search", "list", "apply_patch", "fetch", "plan"} {
		list = append(list, fmt.Sprintf(`{"type":"function","function":{"name":"%s","description":"%s","parameters":`+
			`{"type":"object","properties":{"path":{"type":"string","description":"%s"},"limit":{"type":"integer"}},"required":["path"]}}}`,
			name, strings.Join(words, " ")+" "+strings.Join(words, " "), strings.Join(words[:20], " ")))
	}
	return strings.Join(list, ",")
}
