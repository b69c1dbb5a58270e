package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/trapgate/trapgate/e2e/engine/rig"
)

// standIn puts the copy proxy in Trapgate's place, to test the bench itself.
var standIn bool

// A plan says how much is measured.
type plan struct {
	rounds       int
	closed       int           // requests at c=1
	open         time.Duration // at 500/s
	big          int           // requests of 435 KB, known and cold each
	conns, each  int           // streams at once, and one after the other
	tokens       int           // of a stream
	gap          time.Duration // between them
	full         int           // tokens of each of four streams without a gap
	many         time.Duration // at c=64
	slices       int           // of it in a round, so that all sides see the same moments
	settle       time.Duration
	cancels      int           // for each transport and state
	latencyLimit time.Duration // a busy machine gets fewer rounds, but no fewer than three,
	cancelLimit  time.Duration // and fewer agents that leave: both in all
	skipMemory   bool
	skipLatency  bool
	skipCancel   bool
	sides        []string
	out, comment string
}

var (
	fullPlan = plan{
		rounds: 9, closed: 2000, open: 2 * time.Second, big: 150, conns: 4, each: 10, tokens: 25, gap: 4 * time.Millisecond,
		full: 40_000, many: 500 * time.Millisecond, slices: 3, settle: time.Second, cancels: 10_000,
		latencyLimit: 330 * time.Second, cancelLimit: 300 * time.Second,
	}
	quickPlan = plan{
		rounds: 2, closed: 500, open: 700 * time.Millisecond, big: 40, conns: 4, each: 3, tokens: 25, gap: 4 * time.Millisecond,
		full: 15_000, many: 300 * time.Millisecond, slices: 2, settle: 500 * time.Millisecond, cancels: 300,
		latencyLimit: time.Minute, cancelLimit: 30 * time.Second,
	}
)

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	quick := f.Bool("quick", false, "about a minute; figures are rough, and go to -out only if it is given")
	out := f.String("out", "", "folder for the results (default e2e/bench/results; with -quick a temporary one)")
	rounds := f.Int("rounds", 0, "interleaved rounds (default 9, 2 with -quick)")
	cancels := f.Int("cancels", 0, "agents that leave, for each transport and state (default 10000, 300 with -quick)")
	parts := f.String("parts", "latency,memory,cancel", "what to measure")
	names := f.String("sides", strings.Join([]string{direct, nginx, copier, gate, spans}, ","), "which sides take part")
	comment := f.String("comment", "", "a line for the head of the report")
	f.IntVar(&talks, "talks", 0, "conversations that a connection's small requests turn through; 0: each request is a new one")
	f.BoolVar(&standIn, "stand-in", false, "put the copy proxy in Trapgate's place, to test the bench")
	profile := f.String("profile", "", "only write CPU and heap profiles of Trapgate under load into this folder")
	role := f.String("role", "", "run as a helper process: upstream, copy or sink")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *role != "" {
		return runRole(*role, f.Args())
	}
	if *profile != "" {
		return profileGate(*profile)
	}
	p := fullPlan
	if *quick {
		p = quickPlan
	}
	if *rounds > 0 {
		p.rounds = *rounds
	}
	if *cancels > 0 {
		p.cancels = *cancels
	}
	has := func(part string) bool { return slices.Contains(strings.Split(*parts, ","), part) }
	p.skipLatency, p.skipMemory, p.skipCancel = !has("latency"), !has("memory"), !has("cancel")
	p.sides, p.comment = strings.Split(*names, ","), *comment
	var err error
	if p.out, err = outFolder(*out, *quick); err != nil {
		return err
	}
	return measureAll(p)
}

func outFolder(out string, quick bool) (string, error) {
	switch {
	case out != "":
	case quick:
		return os.MkdirTemp("", "trapgate-bench-")
	default:
		root, err := rig.Root()
		if err != nil {
			return "", err
		}
		out = filepath.Join(root, "e2e", "bench", "results")
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return "", fmt.Errorf("bench: %w", err)
	}
	return out, nil
}

func measureAll(p plan) error {
	began := time.Now()
	r := &results{Env: environment(), Comment: p.comment, Rounds: p.rounds, Cancels: p.cancels, Talks: talks, StandIn: standIn}
	if !standIn {
		if _, err := rig.Binary(); err != nil {
			return err
		}
	}
	up, addr, err := startRole("upstream")
	if err != nil {
		return err
	}
	defer func() { _ = up.CloseStdin() }()
	sink, sinkAddr, err := startRole("sink")
	if err != nil {
		return err
	}
	defer func() { _ = sink.CloseStdin() }()
	if !p.skipMemory {
		if err := measureMemory(p, r, addr, sinkAddr); err != nil {
			return err
		}
	}
	if !p.skipLatency {
		if err := measureLatency(p, r, addr, sinkAddr); err != nil {
			return err
		}
	}
	if !p.skipCancel {
		if err := measureCancel(p, r); err != nil {
			return err
		}
	}
	r.Took = time.Since(began).Round(time.Second).String()
	r.LoadAfter = loadAverage()
	return r.write(p.out)
}

// measureMemory starts each side anew, so that nothing of an earlier measurement is in its memory.
func measureMemory(p plan, r *results, addr, sink string) error {
	r.Memory = map[string]footprint{}
	for _, name := range p.sides {
		if name == direct {
			continue
		}
		s, err := startSide(name, addr, sink)
		if err != nil {
			return err
		}
		f, err := footprintOf(s, p.settle)
		s.stop()
		if err != nil {
			return err
		}
		r.Memory[name] = f
		progress("memory, %s: idle %.1f, 64 small streams %.1f, 64 big ones %.1f MiB", name, f.Idle, f.Small, f.Big)
	}
	return nil
}

// measureLatency runs every figure of every side once in each round; the order of the sides turns with the rounds.
func measureLatency(p plan, r *results, addr, sink string) error {
	var sides []*side
	defer func() {
		for _, s := range sides {
			s.stop()
		}
	}()
	for _, name := range p.sides {
		s, err := startSide(name, addr, sink)
		if err != nil {
			return err
		}
		sides = append(sides, s)
	}
	r.Series = map[string]series{}
	r.samples = map[string]map[string]sample{}
	began := time.Now()
	for round := range p.rounds {
		if round >= 3 && time.Since(began) > p.latencyLimit {
			progress("the time is over after %d rounds", round)
			break
		}
		r.Rounds = round + 1
		talk := newConversation("", "", p.big+1, seed()/1_000_000)
		list := measures
		for range p.slices {
			list = append(slices.Clip(list), atSixtyFour)
		}
		for turn, m := range list {
			for i := range sides {
				s := sides[(i+round+turn)%len(sides)]
				if err := m(p, r, s, talk); err != nil {
					return fmt.Errorf("%s: %w", s.name, err)
				}
			}
		}
		progress("round %d of %d: c=1 p50 %s", round+1, p.rounds, r.lastRound("small_p50", p.sides))
	}
	if posts := sinkPosts(sink); slices.Contains(p.sides, spans) && !standIn {
		r.SinkPosts = posts
	}
	return nil
}

// measures fill the series; each runs for all sides before the next one does.
var measures = []func(p plan, r *results, s *side, talk *conversation) error{
	func(p plan, r *results, s *side, _ *conversation) error {
		v, err := closedOne(s.addr, p.closed)
		r.latency("small", s, v)
		return err
	},
	func(p plan, r *results, s *side, _ *conversation) error {
		v, err := openLoop(s.addr, 500, p.open)
		r.latency("open", s, v)
		return err
	},
	func(p plan, r *results, s *side, talk *conversation) error {
		v, err := bigKnown(s.addr, talk, p.big)
		r.latency("known", s, v)
		return err
	},
	func(p plan, r *results, s *side, talk *conversation) error {
		own := *talk
		own.raw = slices.Clone(talk.raw) // the others still need theirs as it is
		v, err := bigCold(s.addr, &own, p.big)
		r.latency("cold", s, v)
		return err
	},
	func(p plan, r *results, s *side, _ *conversation) error {
		used := s.cpu()
		first, delay, err := streams(s.addr, p.conns, p.each, p.tokens, p.gap)
		used = s.cpu() - used
		r.latency("first", s, first)
		r.latency("token", s, delay)
		r.put("cpu_paced", s, float64(used)/1e3/float64(p.conns*(p.each+1)*p.tokens))
		return err
	},
	func(p plan, r *results, s *side, _ *conversation) error {
		v, err := fullSpeed(s, 4, p.full)
		r.put("cpu_token", s, v)
		return err
	},
}

func atSixtyFour(p plan, r *results, s *side, _ *conversation) error {
	rate, each, err := closedMany(s, 64, p.many)
	r.put("rate", s, rate)
	r.put("cpu_request", s, each)
	return err
}

func measureCancel(p plan, r *results) error {
	transports := []string{"TCP", "Unix", "TLS"} // the slowest last: it has the time that the others leave
	if standIn {
		transports = transports[:1]
	}
	end := time.Now().Add(p.cancelLimit)
	for i, t := range transports {
		rows, left, err := runCancel(t, p.cancels, time.Until(end)/time.Duration(len(transports)-i))
		if err != nil {
			return err
		}
		r.CancelRows, r.Left = append(r.CancelRows, rows...), append(r.Left, left)
		for _, row := range rows {
			progress("cancel, %s, %s: %d, p50 %.0f us, worst %.2f ms, %d lost", t, row.State, row.N, row.P50, row.Worst/1e3, row.Lost)
		}
		progress("left after %s: %d goroutines, %d sockets, %d in flight, %d slots", t, left.Goroutines, left.Sockets, left.InFlight, left.Slots)
	}
	return nil
}

func progress(form string, args ...any) { fmt.Fprintf(os.Stderr, "bench: "+form+"\n", args...) }
