package main

import (
	"fmt"
	"math"
	"strings"
)

// A figure is one row of the table. Its value is what a side adds over direct, or what it uses when used is set.
type figure struct {
	key, name string
	target    float64 // 0: none, the row is for information
	used      bool
}

var figures = []figure{
	{key: "small_p50", name: "small unary, c=1, p50, µs", target: 60},
	{key: "small_p99", name: "small unary, c=1, p99, µs", target: 300},
	{key: "open_p50", name: "small unary, 500/s open loop, p50, µs", target: 100},
	{key: "open_p99", name: "small unary, 500/s open loop, p99, µs"},
	{key: "known_p50", name: "435 KB, known prefix, p50, µs", target: 350},
	{key: "known_p99", name: "435 KB, known prefix, p99, µs"},
	{key: "cold_p50", name: "435 KB, cold, p50, µs", target: 600},
	{key: "cold_p99", name: "435 KB, cold, p99, µs"},
	{key: "first_p50", name: "stream, first token, p50, µs", target: 150},
	{key: "first_p99", name: "stream, first token, p99, µs"},
	{key: "token_p50", name: "stream, token delay, p50, µs", target: 60},
	{key: "token_p99", name: "stream, token delay, p99, µs"},
	{key: "cpu_token", name: "CPU for each streamed token, full speed, µs", target: 2.5, used: true},
	{key: "cpu_paced", name: "CPU for each streamed token, 4 ms apart, µs", used: true},
	{key: "cpu_request", name: "CPU for each request at c=64, µs", target: 25, used: true},
}

const copyFactor = 1.3

// verdict says how a row is met: by its figure, by 1.3 times the copy proxy in the same run, or not.
func verdict(v, target, copied float64) string {
	switch {
	case math.IsNaN(v):
		return "-"
	case target == 0:
		return ""
	case v <= target:
		return "yes"
	case v <= copyFactor*copied:
		return "yes, by 1.3x copy"
	}
	return no
}

func (f figure) value(r *results, side string) float64 {
	s := r.Series[f.key]
	if f.used {
		return s.value(side)
	}
	return s.added(side)
}

func (r *results) markdown() string {
	var tables strings.Builder
	r.missed = nil
	if r.Series != nil {
		tables.WriteString("## Latency and CPU: metrics and identity on, no spans\n\n")
		r.latencyTable(&tables, gate)
		r.rateTable(&tables)
		if r.Series["small_p50"][spans] != nil {
			tables.WriteString("## The same with spans exported to a local sink, 5 % of the traces\n\n")
			r.latencyTable(&tables, spans)
			fmt.Fprintf(&tables, "The sink took %d exports.\n\n", r.SinkPosts)
		}
	}
	r.memoryTable(&tables)
	r.cancelTable(&tables)
	kind := "a new conversation, unlike all before"
	if r.Talks > 0 {
		kind = fmt.Sprintf("one of %d conversations of its connection, in turn", r.Talks)
	}
	return r.top() + tables.String() + fmt.Sprintf(notes, kind)
}

// top is what stands above the tables; it comes last, because it says what they found.
func (r *results) top() string {
	var b strings.Builder
	b.WriteString("# What Trapgate adds\n\n")
	b.WriteString("Made by `make bench` (`go run ./e2e/bench`); do not edit. All sides ran interleaved in one run on loopback.\n\n")
	if r.StandIn {
		b.WriteString("**The copy proxy stood in for Trapgate: this tests the bench and says nothing about Trapgate.**\n\n")
	}
	if r.Comment != "" {
		b.WriteString(r.Comment + "\n\n")
	}
	for _, e := range r.Env {
		b.WriteString("- " + e + "\n")
	}
	fmt.Fprintf(&b, "- load average after %s (the run itself keeps the cores busy)\n- %d rounds, %s\n\n", r.LoadAfter, r.Rounds, r.Took)
	b.WriteString(r.summary() + "\n\n")
	return b.String()
}

// summary says in one line what was not met.
func (r *results) summary() string {
	if len(r.missed) == 0 {
		return "Every figure that was measured is met."
	}
	return fmt.Sprintf("Not met: %d. ", len(r.missed)) + strings.Join(r.missed, "; ") + "."
}

// met turns a verdict into a table's word, and remembers what was not met.
func (r *results) met(ok bool, row string) string {
	if ok {
		return "yes"
	}
	r.missed = append(r.missed, row)
	return no
}

const no = "**no**"

func (r *results) latencyTable(b *strings.Builder, ours string) {
	b.WriteString("Added over direct (CPU rows: used in all); the median over the rounds.\n\n")
	fmt.Fprintf(b, "| figure | must reach | direct | nginx | copy | **%s** | x copy | met |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n", ours)
	for _, f := range figures {
		if r.Series[f.key] == nil {
			continue
		}
		base := "-"
		if !f.used {
			base = number(r.Series[f.key].value(direct))
		}
		v, copied := f.value(r, ours), f.value(r, copier)
		target := ""
		if f.target > 0 {
			target = "≤ " + number(f.target)
		}
		word := verdict(v, f.target, copied)
		r.met(word != no, ours+", "+f.name)
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | **%s** | %s | %s |\n", f.name, target, base,
			number(f.value(r, nginx)), number(copied), number(v), ratio(v, copied), word)
	}
	b.WriteString("\n")
	if ours == gate {
		b.WriteString("![Added by each side](added.svg)\n\n")
	}
}

func (r *results) rateTable(b *strings.Builder) {
	s := r.Series["rate"]
	if s == nil {
		return
	}
	b.WriteString("## Requests per second at c=64\n\n| side | req/s | x copy | must reach | met |\n| --- | --- | --- | --- | --- |\n")
	targets := map[string]float64{gate: 0.9, spans: 0.8}
	for _, name := range []string{direct, nginx, copier, gate, spans} {
		if s[name] == nil {
			continue
		}
		x, must, met := s.ratio(name, copier), "", ""
		if t := targets[name]; t > 0 {
			must, met = fmt.Sprintf("≥ %.1fx", t), r.met(x >= t, name+", req/s at c=64")
		}
		fmt.Fprintf(b, "| %s | %.0f | %.2f | %s | %s |\n", name, s.value(name), x, must, met)
	}
	b.WriteString("\n![Small, one at a time](small.svg)\n![500 a second](open.svg)\n![Tokens](token.svg)\n![435 KB](big.svg)\n\n")
}

func (r *results) memoryTable(b *strings.Builder) {
	if r.Memory == nil {
		return
	}
	b.WriteString("## Resident memory, MiB, each side started anew\n\n| side | idle | 64 streams, small bodies | 64 streams, 435 KB bodies | peak |\n| --- | --- | --- | --- | --- |\n")
	for _, name := range []string{nginx, copier, gate, spans} {
		if f, ok := r.Memory[name]; ok {
			fmt.Fprintf(b, "| %s | %.1f | %.1f | %.1f | %.1f |\n", name, f.Idle, f.Small, f.Big, f.Peak)
		}
	}
	b.WriteString("| must reach | ≤ 18 | ≤ 24 | ≤ 60 | |\n")
	if f, ok := r.Memory[gate]; ok {
		fmt.Fprintf(b, "| met | %s | %s | %s | |\n", r.met(f.Idle <= 18, "memory idle"),
			r.met(f.Small <= 24, "memory, small streams"), r.met(f.Big <= 60, "memory, 435 KB streams"))
	}
	b.WriteString("\n")
}

func (r *results) cancelTable(b *strings.Builder) {
	if len(r.CancelRows) == 0 {
		return
	}
	b.WriteString("## From the agent's close to the upstream's\n\n")
	b.WriteString("Must reach: p50 ≤ 0.5 ms, worst ≤ 20 ms, nothing lost, nothing left. The agent and the upstream are one process and one clock.\n\n")
	b.WriteString("| transport | state | n | p50, ms | p99, ms | worst, ms | lost | met |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, c := range r.CancelRows {
		met := r.met(c.P50 <= 500 && c.Worst <= 20_000 && c.Lost == 0, "cancel, "+c.Transport+", "+c.State)
		fmt.Fprintf(b, "| %s | %s | %d | %.3f | %.3f | %.2f | %d | %s |\n", c.Transport, c.State, c.N, c.P50/1e3, c.P99/1e3, c.Worst/1e3, c.Lost, met)
	}
	b.WriteString("\n| left after all of them | goroutines | sockets | in flight | upstream slots | met |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, l := range r.Left {
		met := r.met(l.Goroutines+l.Sockets+l.InFlight+l.Slots == 0, "left after cancels, "+l.Transport)
		fmt.Fprintf(b, "| %s | %d | %d | %d | %d | %s |\n", l.Transport, l.Goroutines, l.Sockets, l.InFlight, l.Slots, met)
	}
	b.WriteString("\n![From close to close](cancel.svg)\n\n")
}

const notes = `## How it was measured

- **Sides.** *direct*: the load generator calls the model server. *nginx*: Debian's, buffering off, upstream keep-alive, as many
  workers as cores. *copy*: fasthttp's ` + "`HostClient.Do(&ctx.Request, &ctx.Response)`" + ` with a streamed response body, nothing else.
  *trapgate*: the built binary with one upstream and its defaults: identity, metrics, a log line for each exchange (into a file).
- **Model server**: fasthttp, a process of its own, answers at once. Every small request is %s.
- **435 KB**: 200 messages, half of them tool calls with long results, and eight tools; ` + "`model`" + ` comes after ` + "`messages`" + `, as the
  SDKs of OpenAI send it. *Known prefix*: the same conversation, one turn longer each time. *Cold*: every message differs from all before.
- **Open loop**: a request every 2 ms whatever the answers do; latency counts from the moment it was due.
- **Token delay**: from the time stamp inside the token to its arrival, four streams at once, 4 ms apart.
- **Rounds**: within a round every side runs every measurement, in turning order. Added = percentile of the side minus that of
  direct in the same round; the table shows the median over the rounds. *x copy* is by those values.
- **CPU**: user and system time of the proxy's processes, from /proc. **Memory**: VmRSS, nginx's workers added up.
- *Met*: by the figure, or by 1.3 times the copy proxy in the same run (latency and CPU rows).
`

// number shows three digits at most.
func number(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v):
		return "-"
	case a < 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

func ratio(v, by float64) string {
	if math.IsNaN(v) || math.IsNaN(by) || by <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", v/by)
}
