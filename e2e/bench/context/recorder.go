package main

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// callHeader names the call that a request is: requests without it are the gate's own.
const callHeader = "X-Bench-Call"

// A recorder is an upstream that judges each request when it comes and answers as the session goes on. It works on one at a time.
type recorder struct {
	*upstream
	l    *library
	pace time.Duration // how long the model works on each

	mu      sync.Mutex
	v       *verdict
	last    *sent
	lastRaw []byte
	said    int    // messages in the agent's request
	body    []byte // the agent's request
	came    int    // requests of the agent's that reached us
	judged  bool   // the call was judged already
	broken  error
}

func startRecorder(l *library, window int, pace time.Duration) (*recorder, error) {
	r := &recorder{l: l, pace: pace, v: newVerdict(window)}
	var err error
	r.upstream, err = startUpstream(r.take)
	return r, err
}

// expect says what the agent sends next.
func (r *recorder) expect(n int, body []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said, r.body, r.came, r.judged = n, body, 0, false
}

// arrived is how often the agent's request reached us since it was expected, and what was broken so far.
func (r *recorder) arrived() (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.came, r.broken
}

func (r *recorder) take(head http.Header, body []byte) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, err := r.l.parse(body)
	if err != nil {
		r.broken = err
		return []byte(`{"error":{"message":"no JSON"}}`)
	}
	if _, err := strconv.Atoi(head.Get(callHeader)); err != nil {
		r.v.extra += now.size()
		return completion([]byte(`{"role":"assistant","content":"Noted."}`), now.size(), 0)
	}
	now.same = bytes.Equal(body, r.body)
	cached := 0
	if r.last != nil {
		cached = r.l.hits(r.last, now)
	}
	if r.came++; !r.judged {
		r.judged = true
		r.v.judge(r.l, r.said, r.last, now)
		r.last, r.lastRaw = now, slices.Clone(body)
	} else if !bytes.Equal(body, r.lastRaw) {
		r.broken = fmt.Errorf("context: the repeated request with %d messages went out with other bytes", r.said)
	}
	time.Sleep(r.pace)
	return completion([]byte(r.l.s.Raw[r.said]), now.size(), cached)
}

// completion is an answer in the chat dialect.
func completion(message []byte, prompt, cached int) []byte {
	reason := "stop"
	if bytes.Contains(message, []byte(`"tool_calls"`)) {
		reason = "tool_calls"
	}
	return fmt.Appendf(nil, `{"id":"chatcmpl-bench","object":"chat.completion","created":1,"model":%q,"choices":[{"index":0,"message":%s,"logprobs":null,"finish_reason":%q}],`+
		`"usage":{"prompt_tokens":%d,"completion_tokens":20,"total_tokens":%d,"prompt_tokens_details":{"cached_tokens":%d}}}`, modelName, message, reason, prompt, prompt+20, cached)
}
