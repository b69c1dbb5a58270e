package budget

import (
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A world is budgets beside a reference that only knows what was asked and settled, by plain sums.
type world struct {
	t     *rapid.T
	c     *clock
	store *memory
	b     *Budgets
	cfg   Config
	free  int // times that Freed was called

	lives   []*life
	used    map[cell]int64 // settled, or lost in flight
	under   map[cell]int64 // by which settlements passed their reservations
	total   Totals
	refused int
}

// A cell is one sum in one window.
type cell struct {
	Key
	start int64
}

// A life is one exchange, as the reference sees it.
type life struct {
	a       Account
	who     Who
	repeat  bool
	attempt int
	running bool
	model   string
	counted bool           // in the usage
	held    map[cell]int64 // reserved, of the attempt under way or carried over
	paid    map[Key]bool   // request budgets that have it
	live    []cell         // of the attempt under way
	est     Usage
}

var units = []Budget{
	{Per: PerTenant, Unit: Tokens, Window: Minute},
	{Per: PerTenant, Unit: USD, Window: Day},
	{Per: PerAgent, Unit: Requests, Window: Hour},
	{Per: PerModel, Unit: Tokens, Window: Month},
	{Per: PerUser, Unit: USD, Window: Hour},
	{Per: PerModel, Unit: Requests, Window: Minute},
}

func (w *world) config() Config {
	cfg := config()
	for _, b := range units {
		if rapid.Bool().Draw(w.t, "has") {
			b.Mode = Mode(rapid.IntRange(0, 1).Draw(w.t, "mode"))
			b.Limit = rapid.Int64Range(1, 600).Draw(w.t, "limit")
			if b.Unit == USD {
				b.Limit *= 2500
			}
			if b.Unit == Requests {
				b.Limit = 1 + b.Limit/40
			}
			cfg.Tenants[0].Budgets = append(cfg.Tenants[0].Budgets, b)
		}
	}
	return cfg
}

func (w *world) usage() Usage {
	n := rapid.Int64Range(0, 100)
	u := Usage{Input: n.Draw(w.t, "in"), Output: n.Draw(w.t, "out")}
	u.Cached = rapid.Int64Range(0, u.Input).Draw(w.t, "cached")
	return u
}

// cells are the sums that an attempt of a life belongs to now.
func (w *world) cells(l *life, model string) map[cell]Budget {
	all := map[cell]Budget{}
	for _, b := range w.cfg.Tenants[0].Budgets {
		k := Key{Tenant: l.who.Tenant, Per: b.Per, Unit: b.Unit, Window: b.Window}
		k.Subject = map[Per]string{PerUser: l.who.User, PerAgent: l.who.Agent, PerModel: model}[b.Per]
		start, _ := b.Window.bounds(w.c.now().Unix())
		all[cell{k, start}] = b
	}
	return all
}

// costs is what a usage costs in a unit.
func (w *world) costs(u Unit, model string, use Usage) int64 {
	switch p := w.cfg.PriceOf(model); {
	case u == Tokens:
		return use.Input + use.Output
	case u == USD && p != nil:
		return int64(p.Cost(use))
	}
	return 0
}

func (w *world) heldIn(c cell) (n int64) {
	for _, l := range w.lives {
		n += l.held[c]
	}
	return n
}

func (w *world) open() {
	l := &life{held: map[cell]int64{}, paid: map[Key]bool{}, repeat: rapid.IntRange(0, 5).Draw(w.t, "repeat") == 0}
	l.who = Who{Tenant: rapid.SampledFrom([]string{"t1", "t2"}).Draw(w.t, "tenant"), User: rapid.SampledFrom([]string{"", "u"}).Draw(w.t, "user"), Agent: "a"}
	w.b.Open(&l.a, l.who, l.repeat)
	w.lives = append(w.lives, l)
}

func (w *world) reserve(l *life) {
	if l.running {
		return
	}
	l.attempt++
	model, est := rapid.SampledFrom([]string{"big-1", "odd", "unpriced"}).Draw(w.t, "model"), w.usage()
	cells := w.cells(l, model)
	needs, fits := map[cell]int64{}, true
	for c, b := range cells {
		need := w.costs(b.Unit, model, est)
		if b.Unit == Requests && !l.repeat && !l.paid[c.Key] {
			need = 1
		}
		needs[c] = need
		if more := need - l.held[c]; b.Mode == Hard && more > 0 && w.used[c]+w.heldIn(c)+more > b.Limit {
			fits = false
		}
	}
	_, err := l.a.Reserve(l.attempt, model, "up", est)
	var unpriced *Unpriced
	if hard := model == "unpriced" && w.hardMoney(); errors.As(err, &unpriced) != hard {
		w.t.Fatalf("reserve %s: %v, with a hard budget of money: %v", model, err, hard)
	} else if hard {
		return
	}
	if (err == nil) != fits {
		w.t.Fatalf("reserve %s %+v: %v, but it fits: %v", model, est, err, fits)
	}
	if err != nil {
		w.refusal(err)
		return
	}
	l.running, l.model, l.est, l.held, l.live = true, model, est, needs, nil
	for c := range cells {
		l.live = append(l.live, c)
	}
}

// hardMoney reports whether a model without a price must be refused.
func (w *world) hardMoney() bool {
	for _, b := range w.cfg.Tenants[0].Budgets {
		if b.Unit == USD && b.Mode == Hard {
			return true
		}
	}
	return false
}

func (w *world) refusal(err error) {
	w.refused++
	var e *Exceeded
	if !errors.As(err, &e) || !e.Reset.After(w.c.now()) || e.Budget.Mode != Hard {
		w.t.Fatalf("%#v", err)
	}
}

func (w *world) topUp(l *life) {
	if !l.running {
		return
	}
	use := w.usage()
	l.a.TopUp(use)
	l.est.atLeast(use)
	for _, c := range l.live {
		if more := w.costs(c.Unit, l.model, use) - l.held[c]; c.Unit != Requests && more > 0 {
			l.held[c] += more
			w.under[c] += more
		}
	}
}

func (w *world) settle(l *life) {
	use := w.usage()
	how := rapid.SampledFrom([]Outcome{Done, Aborted, Failed, Refunded}).Draw(w.t, "how")
	use.Estimated = rapid.Bool().Draw(w.t, "estimated")
	_, ok := l.a.Settle(l.attempt, use, how)
	if ok != l.running {
		w.t.Fatalf("settled: %v, was running: %v", ok, l.running)
	}
	if ok {
		w.settled(l, use, how)
	}
	if rapid.Bool().Draw(w.t, "again") {
		if _, ok := l.a.Settle(l.attempt, w.usage(), Done); ok {
			w.t.Fatal("settled twice")
		}
	}
}

// settled is what the reference makes of it.
func (w *world) settled(l *life, use Usage, how Outcome) {
	if how == Refunded {
		use = Usage{}
	}
	l.running = false
	for _, c := range l.live {
		due := w.costs(c.Unit, l.model, use)
		if c.Unit == Requests && !l.repeat && !l.paid[c.Key] && how != Refunded {
			l.paid[c.Key], due = true, 1
		}
		w.under[c] += max(0, due-l.held[c])
		w.used[c] += due
		l.held[c] = max(0, l.held[c]-due)
		if how == Done || how == Aborted {
			l.held[c] = 0
		}
	}
	if !l.counted && !l.repeat {
		l.counted = true
		w.total.Requests++
	}
	w.total.Attempts++
	w.total.Input += use.Input
	w.total.Cached += use.Cached
	w.total.Output += use.Output
	if p := w.cfg.PriceOf(l.model); p != nil {
		w.total.Money += p.Cost(use)
		w.total.Saved += p.Saved(use)
	} else {
		w.total.Unpriced += use.tokens()
	}
	if use.Estimated {
		w.total.Estimated += use.tokens()
	}
	if how == Aborted {
		w.total.Aborted++
	}
	if how == Failed || how == Refunded {
		w.total.Errors++
	}
}

func (w *world) close(l *life) {
	if l.running { // forgotten by its caller: paid as expected
		use := l.est
		use.Estimated = true
		w.settled(l, use, Failed)
	}
	l.a.Close()
	clear(l.held)
}

// kill starts anew from what was stored; what was reserved is spent.
func (w *world) kill() {
	for _, l := range w.lives {
		for c, n := range l.held {
			w.used[c] += n
		}
	}
	w.lives = nil
	w.start()
}

func (w *world) start() {
	b, err := New(bg, w.cfg, w.store, Options{Now: w.c.now, Freed: func(string) { w.free++ }})
	if err != nil {
		w.t.Fatal(err)
	}
	w.b = b
}

func (w *world) swap() {
	w.cfg = w.config()
	if err := w.b.Swap(w.cfg); err != nil {
		w.t.Fatal(err)
	}
}

// check compares all sums of windows that last, and what hard budgets promise.
func (w *world) check() {
	now := w.c.now().Unix()
	want := map[cell][2]int64{}
	for c, n := range w.used {
		want[c] = [2]int64{n, 0}
	}
	for _, l := range w.lives {
		for c, n := range l.held {
			want[c] = [2]int64{want[c][0], want[c][1] + n}
		}
	}
	maps.DeleteFunc(want, func(c cell, n [2]int64) bool {
		_, end := c.Window.bounds(c.start)
		return end <= now || n == [2]int64{}
	})
	got := map[cell][2]int64{}
	for _, s := range w.b.Snapshot() {
		if s.Used != 0 || s.Held != 0 {
			got[cell{s.Key, s.Start}] = [2]int64{s.Used, s.Held}
		}
	}
	if !maps.Equal(want, got) {
		w.t.Fatalf("used and held\n%v, want\n%v", got, want)
	}
	if got := w.store.total(); got != w.total {
		w.t.Fatalf("usage\n%+v, want\n%+v", got, w.total)
	}
}

// Whatever happens in whatever order, what was charged is what was settled, to the token and the nano-dollar.
func TestChargedIsSettled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, c: newClock(), store: newMemory(), used: map[cell]int64{}, under: map[cell]int64{}}
		w.cfg = w.config()
		w.start()
		pick := func(do func(*life)) func(*rapid.T) {
			return func(t *rapid.T) {
				w.t = t
				if len(w.lives) == 0 {
					w.open()
				}
				do(rapid.SampledFrom(w.lives).Draw(t, "life"))
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"open":    func(t *rapid.T) { w.t = t; w.open() },
			"reserve": pick(w.reserve), "reserve2": pick(w.reserve), "topup": pick(w.topUp), "settle": pick(w.settle),
			"close": pick(func(l *life) {
				w.close(l)
				w.open()
				w.lives = deleteLife(w.lives, l)
			}),
			"kill":  func(t *rapid.T) { w.t = t; w.kill() },
			"swap":  func(t *rapid.T) { w.t = t; w.swap() },
			"clock": func(t *rapid.T) { w.c.move(time.Duration(rapid.IntRange(1, 5000).Draw(t, "seconds")) * time.Second) },
			"":      func(t *rapid.T) { w.t = t; w.check() },
		})
		for _, l := range w.lives {
			w.close(l)
		}
		w.lives = nil
		w.check() // nothing is held any more
	})
}

func deleteLife(all []*life, gone *life) []*life {
	for i, l := range all {
		if l == gone {
			return append(all[:i:i], all[i+1:]...)
		}
	}
	return all
}

// A hard budget whose limit stays is passed by underestimates only.
func TestHardBudgetsHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, c: newClock(), store: newMemory(), used: map[cell]int64{}, under: map[cell]int64{}}
		w.cfg = w.config()
		w.start()
		for range 6 {
			w.open()
		}
		for step := range 80 {
			l := w.lives[rapid.IntRange(0, len(w.lives)-1).Draw(t, "life")]
			switch rapid.IntRange(0, 4).Draw(t, fmt.Sprint("step ", step)) {
			case 0, 1:
				w.reserve(l)
			case 2:
				w.topUp(l)
			case 3:
				w.settle(l)
			case 4:
				w.c.move(time.Duration(rapid.IntRange(0, 90).Draw(t, "seconds")) * time.Second)
			}
			for _, s := range w.b.Snapshot() {
				if s.Hard > 0 && s.Used+s.Held > s.Hard+w.under[cell{s.Key, s.Start}] {
					t.Fatalf("%+v: %d above the limit, underestimated by %d", s.Key, s.Used+s.Held-s.Hard, w.under[cell{s.Key, s.Start}])
				}
			}
		}
	})
}
