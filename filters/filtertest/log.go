package filtertest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trapgate/trapgate/filters"
)

// A Record is one call of one stream, or of Open.
type Record struct {
	Filter string     // its name
	Open   int        // which of the filter's opened streams it was, from 0
	Op     filters.Op // what was called
	Failed bool       // Open only: it returned no stream
	// Call and Attempt are Exchange.Call and Exchange.Attempt.Number at that time.
	Call, Attempt int
	Status        int    // Head only
	Raw           string // Event only
	Cause         error  // Close only
}

// String is what Log.Sequence is made of: "open a", "event a", "close a".
func (r Record) String() string { return r.Op.String() + " " + r.Filter }

// A Log collects what the filters of one test were asked to do, in order. It is safe for concurrent use.
type Log struct {
	mu      sync.Mutex
	records []Record
	faults  []string
	alive   []*stream // what is open, in order of Open
	waited  time.Duration
}

// Records returns what has happened so far.
func (l *Log) Records() []Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Record(nil), l.records...)
}

// Sequence returns the records in short, joined by ", "; those of the given ops only, or all of them.
func (l *Log) Sequence(ops ...filters.Op) string {
	var s []string
	for _, r := range l.Records() {
		keep := len(ops) == 0
		for _, op := range ops {
			keep = keep || r.Op == op
		}
		if keep {
			s = append(s, r.String())
		}
	}
	return strings.Join(s, ", ")
}

// Verify waits up to a second for streams that are still open, then reports everything that no host may do: a stream not
// closed, closed twice or out of order, used after its Close, used concurrently, or shown things in the wrong order.
func (l *Log) Verify(tb testing.TB) {
	tb.Helper()
	l.settle()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.faults {
		tb.Errorf("%s", f)
	}
	for _, s := range l.alive {
		tb.Errorf("%s was opened and never closed", s)
	}
}

// settle waits until every stream is closed, for up to a second in all.
func (l *Log) settle() {
	for l.open() > 0 && l.waited < time.Second {
		time.Sleep(time.Millisecond)
		l.waited += time.Millisecond
	}
}

func (l *Log) open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.alive)
}

// Causes returns the cause that each stream of the filter was closed with, in order of Close.
func (l *Log) Causes(filter string) []error {
	var causes []error
	for _, r := range l.Records() {
		if r.Op == filters.OpClose && r.Filter == filter {
			causes = append(causes, r.Cause)
		}
	}
	return causes
}

func (l *Log) add(r Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, r)
}

func (l *Log) fault(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, fmt.Sprintf(format, args...))
}

func (l *Log) opened(s *stream, r Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, old := range l.records {
		if old.Op == filters.OpOpen && old.Filter == r.Filter && !old.Failed {
			r.Open++
		}
	}
	if s != nil {
		s.open = r.Open
		l.alive = append(l.alive, s)
	}
	l.records = append(l.records, r)
}

func (l *Log) closed(s *stream, r Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, r)
	for i := len(l.alive) - 1; i >= 0; i-- {
		if l.alive[i] != s {
			continue
		}
		if last := len(l.alive) - 1; i != last {
			l.faults = append(l.faults, fmt.Sprintf("%s was closed before %s, which was opened after it", s, l.alive[last]))
		}
		l.alive = append(l.alive[:i], l.alive[i+1:]...)
		return
	}
	l.faults = append(l.faults, fmt.Sprintf("%s was closed twice", s))
}
