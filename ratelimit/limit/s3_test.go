package limit

import (
	"container/heap"
	"encoding/csv"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// Scenario S3: a token bucket at three times its load. Calls arrive in a Poisson stream of 3.7 * TPM/100,000 a second, 100 may
// wait, a call ends 0.5 s + 0.025 s for each output token after its dispatch, and its usage counts at its end. Measured: the
// worst sliding minute over the limit after 120 s, use, and deepest debt.

type length struct{ in, out float64 }

// lengths draws from a recorded file, or from its like: lognormal, with the mean and the tail of chat traffic.
func lengths(t *testing.T, file string) func(*rand.Rand) length {
	t.Helper()
	if file == "" {
		return func(r *rand.Rand) length {
			return length{
				in:  math.Min(14000, math.Exp(6.5+1.05*r.NormFloat64())),
				out: math.Ceil(math.Min(1000, math.Exp(4.9+0.95*r.NormFloat64()))),
			}
		}
	}
	f, err := os.Open(filepath.Join("..", "..", "..", "shared", "data", file))
	if err != nil {
		t.Skipf("SKIP: no recorded lengths: %v", err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var all []length
	for _, row := range rows[1:] {
		in, err1 := strconv.ParseFloat(row[1], 64)
		out, err2 := strconv.ParseFloat(row[2], 64)
		if err1 != nil || err2 != nil {
			t.Fatalf("bad row %q", row)
		}
		all = append(all, length{in, max(1, out)})
	}
	return func(r *rand.Rand) length { return all[r.IntN(len(all))] }
}

type s3Call struct {
	length
	reserved Cost
	over     bool
}

type s3Event struct {
	at   float64
	what byte // a: arrival, e: end, t: a top-up, r: look again
	call *s3Call
	n    float64
}

type s3Events []s3Event

func (e s3Events) Len() int           { return len(e) }
func (e s3Events) Less(i, j int) bool { return e[i].at < e[j].at }
func (e s3Events) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *s3Events) Push(x any)        { *e = append(*e, x.(s3Event)) }
func (e *s3Events) Pop() any {
	o := *e
	x := o[len(o)-1]
	*e = o[:len(o)-1]
	return x
}

type s3 struct {
	tpm       float64
	maxOutput int
	seconds   float64
	want      Want
	backfill  int
	draw      func(*rand.Rand) length

	set     Set
	est     *Estimator
	events  s3Events
	queue   []*s3Call
	retryAt float64
	ended   []s3Event
	debt    float64
	rnd     *rand.Rand
}

func (s *s3) run(seed uint64) (worst, use float64) {
	s.rnd = rand.New(rand.NewPCG(seed, 3))
	s.set = NewSet(at(0), Rates{Tokens: Rate{PerMinute: s.tpm}}, Rules{})
	s.est = NewEstimator(EstimatorOptions{})
	s.retryAt = math.Inf(1)
	heap.Push(&s.events, s3Event{at: 0, what: 'a'})
	for len(s.events) > 0 {
		e := heap.Pop(&s.events).(s3Event)
		if e.at > s.seconds {
			break
		}
		s.handle(e)
		s.debt = max(s.debt, -s.set.Tokens.Level(at(e.at)))
		s.dispatch(e.at)
	}
	sum, first, total := 0.0, 0, 0.0
	for _, e := range s.ended {
		sum += e.n
		for s.ended[first].at <= e.at-60 {
			sum -= s.ended[first].n
			first++
		}
		if e.at >= 120 {
			worst, total = max(worst, sum), total+e.n
		}
	}
	return worst / s.tpm, total / (s.tpm * (s.seconds - 120) / 60)
}

func (s *s3) handle(e s3Event) {
	switch e.what {
	case 'a':
		if len(s.queue) < 100 {
			s.queue = append(s.queue, &s3Call{length: s.draw(s.rnd)})
		}
		heap.Push(&s.events, s3Event{at: e.at + s.rnd.ExpFloat64()/(3.7*s.tpm/1e5), what: 'a'})
	case 'e':
		c := e.call
		c.over = true
		s.set.Settle(at(e.at), c.reserved, Cost{Input: c.in, Output: c.out})
		s.est.Observe(Key{}, int(c.out))
		s.ended = append(s.ended, s3Event{at: e.at, n: c.in + c.out})
	case 't':
		if !e.call.over {
			e.call.reserved.Output += e.n
			s.set.Adjust(at(e.at), Cost{Output: e.n})
		}
	case 'r':
		s.retryAt = math.Inf(1)
	}
}

func (s *s3) dispatch(now float64) {
	est := s.est.Output(Key{}, s.maxOutput, s.want)
	for i := 0; i < len(s.queue) && i <= s.backfill; i++ {
		c := s.queue[i]
		need := Cost{Input: c.in, Output: est}
		if !s.set.Fits(at(now), need) {
			if i == 0 {
				w := s.set.Await(at(now), need).Sub(t0).Seconds() + 1e-6
				if w < s.retryAt {
					s.retryAt = w
					heap.Push(&s.events, s3Event{at: w, what: 'r'})
				}
			}
			continue
		}
		if i > 0 && s.set.Delays(at(now), need, Cost{Input: s.queue[0].in, Output: est}) {
			continue
		}
		s.queue = append(s.queue[:i], s.queue[i+1:]...)
		i--
		c.reserved = need
		s.set.Reserve(at(now), need)
		heap.Push(&s.events, s3Event{at: now + 0.5 + 0.025*c.out, what: 'e', call: c})
		for n := est; n < c.out; n += 64 {
			heap.Push(&s.events, s3Event{at: now + 0.5 + 0.025*n, what: 't', call: c, n: min(64, c.out-n)})
		}
	}
}

// The figure is a worst minute of 1.10 at 97 % use. At 30,000 tokens a minute one call can be half the limit, and
// 97 % and 1.10 exclude each other (exact knowledge of every output reaches 96 %): there the minute is what is kept.
func TestS3(t *testing.T) {
	for _, tt := range []struct {
		file       string
		tpm        float64
		maxOutput  int
		worst, use float64
	}{
		{"", 100_000, 4096, 1.10, 0.95},
		{"azure_conv_dev.csv", 100_000, 4096, 1.10, 0.97},
		{"azure_conv_dev.csv", 30_000, 16384, 1.10, 0.92},
	} {
		name := tt.file
		if name == "" {
			name = "synthetic"
		}
		t.Run(name+"/"+strconv.Itoa(int(tt.tpm)), func(t *testing.T) {
			s := s3{tpm: tt.tpm, maxOutput: tt.maxOutput, seconds: 720, want: P80, backfill: 4, draw: lengths(t, tt.file)}
			worst, use := s.run(1)
			t.Logf("worst minute %.3f of the limit, use %.3f, deepest debt %.3f", worst, use, s.debt/tt.tpm)
			if worst > tt.worst || use < tt.use {
				t.Errorf("worst minute %.3f, use %.3f", worst, use)
			}
		})
	}
}
