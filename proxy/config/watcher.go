package config

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Watcher keeps a snapshot current: when the file, or a secret or certificate that it names, changes, it is read again. A good
// change swaps the snapshot atomically; a bad one keeps the old. Safe for concurrent use. It sleeps until the file system wakes it.
type Watcher struct {
	path   string
	env    Env
	flags  Overrides
	notify func(*Snapshot, error)

	current atomic.Pointer[Snapshot]

	mu       sync.Mutex // one reload at a time; guards what follows
	bound    []net.Addr
	status   status
	digest   [32]byte
	files    *fileWatch // nil when nothing is watched
	draining bool
}

type status struct {
	generation int
	loadedAt   time.Time
	err        error
}

// Watch loads the file (none when path is "") and watches it until Close. Notify, which may be nil, is called after every
// reload but the first, never twice at a time: with the new snapshot, whose Warnings say what of the change needs a restart,
// or with the one that goes on to hold and the reason (of type Problems). It must not call the Watcher's other methods but
// Current. The error is of type Problems.
func Watch(path string, env Env, flags Overrides, notify func(*Snapshot, error)) (*Watcher, error) {
	w := &Watcher{path: path, env: env, flags: flags, notify: notify}
	s, files, err := open(path, env, flags)
	if err != nil {
		return nil, err
	}
	if len(files) > 0 {
		fw, watchErr := newFileWatch(files, w.filesChanged)
		if watchErr == nil {
			w.files, w.digest = fw, digestFiles(env, fw.paths())
		}
		// Again, now that no change can be missed.
		if s, _, err = open(path, env, flags); err != nil {
			_ = w.Close()
			return nil, err
		}
		if watchErr != nil {
			s.Warnings = append(s.Warnings, Problem{
				File: path, Msg: "cannot be watched for changes: " + watchErr.Error(), Hint: "send SIGHUP after a change",
			})
		}
	}
	s.Generation = 1
	w.status = status{1, time.Now(), nil}
	w.current.Store(s)
	if w.files != nil {
		w.files.start()
	}
	return w, nil
}

// Current returns the snapshot that holds. Never nil. Take it once for an exchange and keep it to its end.
func (w *Watcher) Current() *Snapshot { return w.current.Load() }

// Status returns the generation that holds, when it was loaded, and why the last change was refused (nil: it was taken).
func (w *Watcher) Status() (generation int, loadedAt time.Time, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status.generation, w.status.loadedAt, w.status.err
}

// Bound tells the addresses that the listeners got, and returns an error when an upstream points at one of them. Later
// changes are checked against them too.
func (w *Watcher) Bound(addrs ...net.Addr) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bound = append(w.bound, addrs...)
	return w.Current().checkBound(w.bound)
}

func (s *Snapshot) checkBound(addrs []net.Addr) error {
	var problems Problems
	for _, a := range addrs {
		var p Problem
		if errors.As(s.CheckSelf(a), &p) {
			problems = append(problems, p)
		}
	}
	return problems.err()
}

// Reload reads everything again now, changed or not, as SIGHUP asks for. What came of it is told as for any other change.
func (w *Watcher) Reload() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reload(false)
}

// Drain takes no more changes, from whatever side: the process is about to end, and what runs ends on what holds.
func (w *Watcher) Drain() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.draining = true
}

// Close ends the watching and waits for its goroutines. The current snapshot stays.
func (w *Watcher) Close() error {
	if w.files == nil {
		return nil
	}
	return w.files.close()
}

// filesChanged is called when something happened around the files; often they are still the same.
func (w *Watcher) filesChanged() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if digestFiles(w.env, w.files.paths()) == w.digest {
		w.files.update(w.files.paths()) // a symlink may have moved
		return
	}
	w.reload(true)
}

// reload does the work, with the lock held.
func (w *Watcher) reload(watched bool) {
	if w.draining {
		return
	}
	old := w.Current()
	var before []string
	if w.files != nil {
		before = w.files.paths()
	}
	w.digest = digestFiles(w.env, before)
	next, files, err := open(w.path, w.env, w.flags)
	if err == nil {
		next.Warnings = append(next.keepRunning(old), next.Warnings...)
		err = next.fits(old, w.bound, watched && w.emptied())
	}
	if err == nil {
		next.Generation = old.Generation + 1
		w.status = status{next.Generation, time.Now(), nil}
		w.current.Store(next)
	} else {
		next, w.status.err = old, err
		files = append(files, before...) // what holds goes on to matter
	}
	if w.files != nil {
		w.files.update(files)
		if !slices.Equal(w.files.paths(), before) {
			w.digest = digestFiles(w.env, w.files.paths())
		}
	}
	if w.notify != nil {
		w.notify(next, err)
	}
}

// emptied reports whether the file has no byte in it. Editors and scripts empty a file before they write it, and an empty file
// would be a good one: without auth.
func (w *Watcher) emptied() bool {
	if w.path == "" {
		return false
	}
	data, err := w.env.read(w.path)
	return err == nil && len(data) == 0
}

// fits checks a new snapshot against what is running.
func (s *Snapshot) fits(old *Snapshot, bound []net.Addr, emptied bool) error {
	if emptied && (len(old.marks.at) > 1 || old.HasAuth()) {
		return Problems{{File: s.File, Line: 1, Col: 1, Msg: "the file has become empty", Hint: "send SIGHUP if that is what you want"}}
	}
	if !s.Listen.IsLoopback() && !s.HasAuth() && !s.Insecure {
		p := s.problem("auth", fmt.Sprintf("cannot go away while trapgate listens on %s", s.Listen))
		p.Hint = "restart trapgate to listen elsewhere"
		return Problems{p}
	}
	return s.checkBound(bound)
}

// keepRunning carries over what cannot change without a restart, and returns a warning for each such change.
func (s *Snapshot) keepRunning(old *Snapshot) (warnings Problems) {
	warn := func(key string, was any) {
		warnings = append(warnings, s.problem(key, fmt.Sprintf("a change of it needs a restart (still %v)", was)))
	}
	keep(&s.Listen, old.Listen, "listen", warn)
	keep(&s.Admin, old.Admin, "admin", warn)
	keep(&s.Data, old.Data, "data", warn)
	keep(&s.Limits.Headers, old.Limits.Headers, "limits.headers", warn)
	keep(&s.Limits.Connections, old.Limits.Connections, "limits.connections", warn)
	keep(&s.Limits.Write, old.Limits.Write, "limits.write", warn)
	keep(&s.Limits.Idle, old.Limits.Idle, "limits.idle", warn)
	s.scheduled = old.Schedule
	if s.scheduled == nil {
		s.scheduled = old.scheduled
	}
	if was := s.scheduled; was != nil && s.Schedule != nil && !s.Schedule.Shared.same(was.Shared) {
		warn("schedule.shared", was.Shared)
		s.Schedule.Shared = was.Shared
	}
	s.rewrites = old.sharedContext()
	if c := s.Context; c != nil && !c.Shared.same(s.rewrites) {
		warn("context.shared", s.rewrites)
		c.Shared = s.rewrites
	}
	s.keepMemory(old, warn)
	switch {
	case s.TLS == nil && old.TLS != nil:
		warn("tls", "on")
		s.TLS = old.TLS
	case s.TLS != nil && old.TLS == nil:
		warn("tls", "off")
		s.TLS = nil
	}
	return warnings
}

func keep[T comparable](now *T, was T, key string, warn func(string, any)) {
	if *now != was {
		*now = was
		warn(key, was)
	}
}

// problem makes a problem at a key of the snapshot's file.
func (s *Snapshot) problem(key, msg string) Problem {
	p := Problem{File: s.File, Key: key, Msg: msg}
	if s.marks.at != nil {
		at := s.marks.of(key)
		p.Line, p.Col = at.line, at.col
	}
	return p
}
