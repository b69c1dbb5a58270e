package simmodel

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A FaultRule applies a fault by probability, or to the first requests, or both left out: to all.
type FaultRule struct {
	// Fault is "KIND[=VALUE], ..."; see the package comment.
	Fault string `json:"fault"`
	// P is the share of requests, drawn from the seed and the body; 0 means all.
	P float64 `json:"p,omitempty"`
	// First limits the rule to the first n requests of the model.
	First int64 `json:"first,omitempty"`
	// Dialect limits the rule to one of chat, responses, messages, completions, embeddings.
	Dialect string `json:"dialect,omitempty"`
}

// How a fault's value is read.
const (
	noValue = iota
	count   // number, with a default
	span    // duration
	special
)

var faultKinds = map[string]struct{ value, def int }{
	// before the answer
	"hang_headers": {noValue, 0}, "slow_headers": {span, 0}, "status": {special, 0}, "429": {count, 1},
	"malformed": {count, 0}, "drop": {special, 0}, "info": {count, 103}, "bad_type": {noValue, 0},
	// after n events
	"hang": {count, 3}, "cut": {count, 3}, "reset": {count, 3}, "end": {count, 3}, "error_event": {count, 3}, "stall": {span, 0},
	// framing
	"comments": {noValue, 0}, "crlf": {noValue, 0}, "cr": {noValue, 0}, "nospace": {noValue, 0}, "multi_data": {noValue, 0},
	"pieces": {count, 5}, "one_write": {noValue, 0}, "close_delimited": {noValue, 0}, "gzip_members": {noValue, 0},
	"huge": {count, 1 << 20}, "huge_comment": {count, 1 << 20}, "bom": {noValue, 0},
	// what events say
	"no_done": {noValue, 0}, "no_finish_key": {noValue, 0}, "whole_calls": {noValue, 0}, "extra_fields": {noValue, 0},
	"usage_on_last": {noValue, 0}, "finish_twice": {noValue, 0}, "usage_unasked": {noValue, 0}, "empty_first": {noValue, 0},
	"no_index": {noValue, 0}, "new_ids": {noValue, 0}, "no_role": {noValue, 0}, "unknown_event": {noValue, 0},
}

type fault struct {
	kind  string
	n     int
	d     time.Duration
	times int // status, drop: how many times for one body; 0 means always
}

type faultSet map[string]fault

func (f faultSet) has(kind string) bool { _, ok := f[kind]; return ok }

// parseFaults reads "KIND[=VALUE], KIND ...". The empty string is no fault.
func parseFaults(s string) ([]fault, error) {
	var out []fault
	for item := range strings.SplitSeq(s, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		kind, val, has := strings.Cut(item, "=")
		spec, ok := faultKinds[kind]
		if !ok {
			return nil, fmt.Errorf("unknown fault %q", kind)
		}
		f := fault{kind: kind, n: spec.def}
		var err error
		switch {
		case spec.value == special:
			err = f.special(val)
		case spec.value == span:
			if f.d, err = time.ParseDuration(val); f.d < 0 {
				err = errors.New("negative")
			}
		case !has:
		case spec.value == count:
			if f.n, err = strconv.Atoi(val); f.n < 0 || f.n > 1<<28 {
				err = errors.New("out of range")
			}
		default:
			err = errors.New("takes no value")
		}
		if err != nil {
			return nil, fmt.Errorf("fault %q: %w", item, err)
		}
		out = append(out, f)
	}
	return out, nil
}

// special reads status=503, status=503x2 (twice, then fine) and drop, drop=x2 (connection closed with no answer).
func (f *fault) special(val string) (err error) {
	code, times, more := strings.Cut(val, "x")
	if f.kind == "drop" && code != "" {
		return errors.New("want nothing or xTIMES")
	}
	if f.kind == "status" {
		f.n, err = strconv.Atoi(code)
		if err == nil && (f.n < 200 || f.n > 599) {
			err = errors.New("status out of range")
		}
	}
	if err == nil && more {
		f.times, err = strconv.Atoi(times)
		if err == nil && f.times < 1 {
			err = errors.New("want at least one time")
		}
	}
	return err
}

// faultsFor collects the faults of one request: rules, header, and the step's own.
func (m *Model) faultsFor(header string, step string, q *request) (faultSet, *apiError) {
	if header == "" && step == "" && len(m.opt.Faults) == 0 {
		return nil, nil
	}
	set := faultSet{}
	add := func(spec string) error {
		list, err := parseFaults(spec)
		for _, f := range list {
			set[f.kind] = f
		}
		return err
	}
	n := m.stats.requests.Load()
	for i, r := range m.opt.Faults {
		switch {
		case r.Dialect != "" && r.Dialect != q.dialect.String(), r.First > 0 && n > r.First:
			continue
		case r.P > 0 && float64(mix(m.opt.Seed, q.hash, uint64(q.nth), uint64(i))>>11)/(1<<53) >= r.P:
			continue
		}
		add(r.Fault) // Validate has seen it
	}
	if err := add(header); err != nil {
		return nil, bad("x-sim-fault", "simmodel: %v", err)
	}
	if err := add(step); err != nil {
		return nil, bad("", "simmodel: %v", err)
	}
	for k, f := range set {
		if f.times > 0 && q.nth >= f.times {
			delete(set, k)
		}
	}
	if len(set) > 0 {
		m.stats.faults.Add(1)
	}
	return set, nil
}

// How a stream is to end when a fault ends it.
var (
	errCut   = errors.New("fault: cut")   // closed without the last chunk
	errReset = errors.New("fault: reset") // TCP reset
	errEnd   = errors.New("fault: end")   // clean end without the terminal event
)
