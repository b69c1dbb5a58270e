package main

import (
	"sync"
	"time"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
)

// A side is one order with what it is called in the tables.
type side struct {
	name string
	mk   maker
}

const ours = "**trapgate**"

var (
	sideFIFO   = side{"FIFO", plain(fifo)}
	sideRobin  = side{"round robin by request", plain(roundRobin)}
	sideEnd    = side{"VTC, charged at completion", plain(vtc(atEnd))}
	sideStream = side{"VTC, streamed", plain(vtc(streamed))}
	sideSettle = side{"VTC, reserve and settle", plain(vtc(reserved))}
	sideLAS    = side{"LAS", plain(las(0))}
	sideHalf   = side{"LAS, 60 s half-life", plain(las(60))}
	sideDebt   = side{"LAS + debt", plain(lasDebt)}
	sideTwo    = side{"two levels, 20k", plain(twoLevels(20_000))}
	sideFirst  = side{"by program arrival", plain(byProgram)}
	sideOracle = side{"oracle: least work left", plain(leastLeft)}
	sideLight  = side{"bound: light strictly first", plain(lightFirst)}
	sideOurs   = side{ours, trapgate}
)

var (
	s1Sides   = []side{sideFIFO, sideRobin, sideEnd, sideStream, sideSettle, sideHalf, sideLight, sideOurs}
	s1bSides  = []side{sideFIFO, sideRobin, sideEnd, sideStream, sideSettle, sideHalf, sideOurs}
	s2Sides   = []side{sideFIFO, sideRobin, sideSettle, sideLAS, sideDebt, sideTwo, sideFirst, sideOracle, sideOurs}
	hogSides  = []side{sideFIFO, sideRobin, sideSettle, sideHalf, sideLight, sideOurs}
	aiosSides = []side{{"plain concurrency", plain(fifo)}, sideOurs}
)

type s3Side struct {
	name string
	mk   admission
}

var s3Sides = []s3Side{
	{"charged at the end", bucket(chargeAtEnd)},
	{"reserve max_tokens", bucket(reserveMax)},
	{"mean + settle", bucket(reserveMean)},
	{"p95 + settle", bucket(reserveP95)},
	{"oracle: known output", bucket(reserveKnown)},
	{ours, trapgateLimit},
}

// Results are what one run of this command found: by side, and within it by seed.
type results struct {
	s1   map[string][]s1Result
	s1b  map[string][]s1bResult
	s2   map[float64]map[string][]s2Result
	s3   map[float64]map[string][]s3Result
	hog  map[string][]hogResult
	aios map[string][]float64

	took   time.Duration
	missed []string
}

// Options are what the command line says.
type options struct {
	lengths []benchkit.Length
	from    string // name of their file
	seeds   int
	hogs    int // seeds of the hog test
	s1For   float64
	s1bFor  float64
	s3For   float64
	rates   []float64
	workers int
	only    map[string]bool // scenarios; empty: all
}

func (o *options) wants(s string) bool { return len(o.only) == 0 || o.only[s] }

// A pool of workers runs jobs that share nothing.
type jobs struct {
	mu   sync.Mutex // guards the results
	list []func()
}

// add plans one run: f runs on a worker, keep with the lock held.
func add[T any](j *jobs, f func() T, keep func(T)) {
	j.list = append(j.list, func() {
		v := f()
		j.mu.Lock()
		defer j.mu.Unlock()
		keep(v)
	})
}

func (j *jobs) run(workers int) {
	todo := make(chan func())
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for f := range todo {
				f()
			}
		})
	}
	for _, f := range j.list {
		todo <- f
	}
	close(todo)
	wg.Wait()
}

// each plans f for all sides and seeds and files what it returns by side.
func each[T any](j *jobs, sides []side, seeds int, f func(seed uint64, mk maker) T) map[string][]T {
	m := make(map[string][]T)
	for _, s := range sides {
		m[s.name] = make([]T, seeds)
		for i := range seeds {
			add(j, func() T { return f(uint64(i+1), s.mk) }, func(v T) { m[s.name][i] = v })
		}
	}
	return m
}

func measure(o *options) *results {
	r := &results{s2: map[float64]map[string][]s2Result{}, s3: map[float64]map[string][]s3Result{}}
	j := &jobs{}
	if o.wants("s2") { // the longest first
		for i := len(o.rates) - 1; i >= 0; i-- {
			rate := o.rates[i]
			r.s2[rate] = each(j, s2Sides, o.seeds, func(seed uint64, mk maker) s2Result { return s2(seed, rate, o.lengths, mk) })
		}
	}
	if o.wants("s1") {
		r.s1 = each(j, s1Sides, o.seeds, func(seed uint64, mk maker) s1Result { return s1(seed, o.s1For, o.lengths, mk) })
	}
	if o.wants("s1b") {
		r.s1b = each(j, s1bSides, o.seeds, func(seed uint64, mk maker) s1bResult { return s1b(seed, o.s1bFor, mk) })
	}
	if o.wants("s3") {
		for _, l := range s3Limits {
			r.s3[l.tpm] = map[string][]s3Result{}
			for _, s := range s3Sides {
				found := make([]s3Result, o.seeds)
				r.s3[l.tpm][s.name] = found
				for i := range o.seeds {
					add(j, func() s3Result { return s3(uint64(i+1), l, o.s3For, o.lengths, s.mk) }, func(v s3Result) { found[i] = v })
				}
			}
		}
	}
	if o.wants("hog") {
		r.hog = each(j, hogSides, o.hogs, hog)
	}
	if o.wants("aios") {
		r.aios = each(j, aiosSides, o.hogs, aios)
	}
	j.run(o.workers)
	return r
}
