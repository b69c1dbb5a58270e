package record

import (
	"bytes"
	"fmt"
	"strings"
)

// A Diff is one difference that the rules do not allow.
type Diff struct {
	Exchange string // which one, see Exchange.String
	What     string // "request body", "response fields", ...
	Want     string
	Got      string
}

// String is the difference on a few lines, for a test's log.
func (d Diff) String() string {
	return fmt.Sprintf("%s: %s\n\twant %s\n\tgot  %s", d.Exchange, d.What, d.Want, d.Got)
}

// Compare pairs the exchanges recorded before a proxy (at the agent) with those behind it (at the upstream) and returns
// every difference that rules does not allow, and the pairs. Each exchange must have gone upstream exactly once: probes
// that the proxy answered itself and attempts that it repeated are differences.
func Compare(before, behind []Exchange, rules Rules) ([]Diff, []Pair) {
	pairs, alone, extra := match(before, behind, rules)
	var out []Diff
	for _, p := range pairs {
		out = append(out, comparePair(p, rules)...)
	}
	for _, x := range alone {
		out = append(out, Diff{x.String(), "exchange", "sent upstream", "never seen behind the proxy"})
	}
	for _, x := range extra {
		out = append(out, Diff{x.String(), "exchange", "no request without one of the agent", "an extra request upstream"})
	}
	return out, pairs
}

// A Pair is one exchange as the agent saw it and as the upstream saw it.
type Pair struct{ Before, Behind Exchange }

// match pairs exchanges: equal requests with equal responses first (twins send equal bodies at the same time), then equal
// requests, then equal bodies, then equal request lines, each in order of time, so that a faulty proxy is reported by what
// it changed and not as a missing request.
func match(before, behind []Exchange, rules Rules) (pairs []Pair, alone, extra []Exchange) {
	partner := make([]int, len(before))
	for i := range partner {
		partner[i] = -1
	}
	taken := make([]bool, len(behind))
	passes := []func(a, b Exchange) bool{
		func(a, b Exchange) bool {
			return len(comparePair(Pair{a, b}, rules)) == 0
		},
		func(a, b Exchange) bool {
			return len(compareRequest(Pair{a, b}, rules)) == 0
		},
		func(a, b Exchange) bool {
			return a.Request.StartLine == b.Request.StartLine && bytes.Equal(a.Request.Body, b.Request.Body)
		},
		func(a, b Exchange) bool { return a.Request.StartLine == b.Request.StartLine },
		func(a, b Exchange) bool {
			return len(a.Request.Body) > 0 && bytes.Equal(a.Request.Body, b.Request.Body)
		},
	}
	for _, same := range passes {
		for i, a := range before {
			for j := 0; j < len(behind) && partner[i] < 0; j++ {
				if !taken[j] && same(a, behind[j]) {
					partner[i], taken[j] = j, true
				}
			}
		}
	}
	for i, j := range partner {
		if j < 0 {
			alone = append(alone, before[i])
			continue
		}
		pairs = append(pairs, Pair{before[i], behind[j]})
	}
	for j, t := range taken {
		if !t {
			extra = append(extra, behind[j])
		}
	}
	return pairs, alone, extra
}

func comparePair(p Pair, rules Rules) []Diff {
	return append(compareRequest(p, rules), compareResponse(p, rules)...)
}

func compareRequest(p Pair, rules Rules) []Diff {
	d := differ{label: p.Before.String()}
	a, b := p.Before.Request, p.Behind.Request
	d.text("request line", a.StartLine, b.StartLine)
	want, got := rules.requestBehind(a, b)
	if isChunked(a.Fields) || isChunked(b.Fields) {
		want, got = dropLength(want, rules), dropLength(got, rules)
	}
	d.fields("request fields", want, got)
	d.body("request body", a.Body, b.Body)
	if a.Ending == Complete || b.Ending == Complete {
		d.text("end of the request", a.Ending.String(), b.Ending.String())
	}
	return d.out
}

func compareResponse(p Pair, rules Rules) []Diff {
	d := differ{label: p.Before.String()}
	a, b := p.Before.Response, p.Behind.Response
	d.text("status line", b.StartLine, a.StartLine)
	if b.Ending == Missing || a.Ending == Missing {
		if a.Ending != Left {
			d.text("end of the response", b.Ending.String(), a.Ending.String())
		}
		return d.out
	}
	want, got, missing := rules.responseBefore(a, b)
	d.fields("response fields", want, got)
	for _, n := range missing {
		d.out = append(d.out, Diff{d.label, "response fields", "the proxy's own " + n, "none"})
	}
	d.fields("response trailer", b.Trailer, a.Trailer)
	if p.Before.Tunnel || p.Behind.Tunnel {
		return d.out
	}
	if a.Ending == Left {
		// What the agent had when it left must be a prefix of what the upstream said, or all of it.
		if !bytes.HasPrefix(b.Body, a.Body) && !bytes.HasPrefix(a.Body, b.Body) {
			d.body("response body up to where the agent left", b.Body, a.Body)
		}
		return d.out
	}
	d.body("response body", b.Body, a.Body)
	d.text("end of the response", b.Ending.String(), a.Ending.String())
	return d.out
}

// dropLength leaves out Content-Length where one side was chunked: how a request body is framed belongs to the hop.
func dropLength(f Fields, rules Rules) Fields {
	if !rules.HopByHop {
		return f
	}
	var out Fields
	for _, x := range f {
		if !strings.EqualFold(x.Name, "content-length") {
			out = append(out, x)
		}
	}
	return out
}

type differ struct {
	label string
	out   []Diff
}

func (d *differ) text(what, want, got string) {
	if want != got {
		d.out = append(d.out, Diff{d.label, what, fmt.Sprintf("%q", want), fmt.Sprintf("%q", got)})
	}
}

// fields reports the first field that differs and, when the names do, all names.
func (d *differ) fields(what string, want, got Fields) {
	for i := 0; i < len(want) || i < len(got); i++ {
		w, g := "(no more)", "(no more)"
		if i < len(want) {
			w = want[i].Name + ": " + want[i].Value
		}
		if i < len(got) {
			g = got[i].Name + ": " + got[i].Value
		}
		if w == g {
			continue
		}
		if wn, gn := names(want), names(got); wn != gn {
			d.out = append(d.out, Diff{d.label, what + ", names in order", wn, gn})
		}
		d.out = append(d.out, Diff{d.label, fmt.Sprintf("%s, number %d", what, i+1), fmt.Sprintf("%q", w), fmt.Sprintf("%q", g)})
		return
	}
}

func names(f Fields) string {
	var out []string
	for _, x := range f {
		out = append(out, x.Name)
	}
	return strings.Join(out, ", ")
}

func (d *differ) body(what string, want, got []byte) {
	if bytes.Equal(want, got) {
		return
	}
	i := 0
	for i < len(want) && i < len(got) && want[i] == got[i] {
		i++
	}
	d.out = append(d.out, Diff{
		d.label, fmt.Sprintf("%s (%d and %d bytes), from byte %d", what, len(want), len(got), i),
		around(want, i), around(got, i),
	})
}

// around quotes what stands beside byte i, with a mark at it.
func around(b []byte, i int) string {
	from, to := max(0, i-40), min(len(b), i+60)
	return fmt.Sprintf("%q >>> %q", b[from:i], b[i:to])
}
