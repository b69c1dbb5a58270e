//go:build unix

package clients

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// A Row is one line of the result table.
type Row struct {
	Client  *Client
	Outcome Outcome
}

// A Summary collects rows; safe for concurrent use.
type Summary struct {
	mu   sync.Mutex
	rows []Row
}

// Add appends a row.
func (s *Summary) Add(r Row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows = append(s.rows, r)
}

// Markdown is the table of all rows.
func (s *Summary) Markdown() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	b.WriteString("| client | version | runs | exchanges | events | bytes before = behind | events before = behind | event delay p50 | time | result |\n")
	b.WriteString("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, r := range s.rows {
		o := r.Outcome
		result := "pass"
		switch {
		case o.Err != nil:
			result = "FAIL: the run"
		case len(o.Diffs) > 0:
			result = fmt.Sprintf("FAIL: %d differences", len(o.Diffs))
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %d | %s | %s | %s | %.1f s | %s |\n", r.Client.Name, r.Client.Version,
			strings.Join(r.Client.Cases, ", "), len(o.Pairs), o.Events(), yes(o.BytesSame()), yes(o.EventsSame()), delay(o),
			o.Duration.Round(100*time.Millisecond).Seconds(), result)
	}
	return b.String()
}

// Write puts the table into the file that TRAPGATE_E2E_SUMMARY names, if any.
func (s *Summary) Write() error {
	name := os.Getenv("TRAPGATE_E2E_SUMMARY")
	if name == "" {
		return nil
	}
	text := "# Real clients through Trapgate\n\nEach client unmodified, pointed by its base URL, with tools. Bytes: request" +
		" line, header names in order, values, bodies, status and response headers, recorded before and behind Trapgate in" +
		" the same run, after the replacements that `e2e/record` lists. Event delay: from recorder to recorder, copies" +
		" in the recorders included; no benchmark.\n\n" + s.Markdown()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		return fmt.Errorf("clients: %w", err)
	}
	return nil
}

func delay(o Outcome) string {
	added, n := o.Added()
	if n == 0 {
		return "-"
	}
	return added.Round(time.Microsecond).String()
}

func yes(ok bool) string {
	if ok {
		return "yes"
	}
	return "NO"
}
