package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// results are everything that a run has measured; results.json holds them.
type results struct {
	Env        []string             `json:"environment"`
	LoadAfter  string               `json:"load_after"`
	Comment    string               `json:"comment,omitempty"`
	StandIn    bool                 `json:"stand_in,omitempty"`
	Took       string               `json:"took"`
	Rounds     int                  `json:"rounds"`
	Cancels    int                  `json:"cancels"`
	Talks      int                  `json:"talks"`            // conversations of a connection's small requests; 0: each is new
	Series     map[string]series    `json:"series,omitempty"` // microseconds, or requests per second
	Memory     map[string]footprint `json:"memory_mib,omitempty"`
	CancelRows []cancelRow          `json:"cancel,omitempty"`
	Left       []leftovers          `json:"left,omitempty"`
	SinkPosts  int                  `json:"sink_posts,omitempty"`

	missed  []string                     // rows of the report that are not met
	samples map[string]map[string]sample // all rounds together, for the curves
}

func (r *results) put(key string, s *side, v float64) {
	if math.IsNaN(v) {
		return
	}
	if r.Series[key] == nil {
		r.Series[key] = series{}
	}
	r.Series[key].put(s.name, v)
}

// latency stores p50 and p99 of a sample.
func (r *results) latency(key string, s *side, v sample) {
	r.put(key+"_p50", s, v.at(0.50))
	r.put(key+"_p99", s, v.at(0.99))
	if r.samples[key] == nil {
		r.samples[key] = map[string]sample{}
	}
	r.samples[key][s.name] = append(r.samples[key][s.name], v...)
}

// lastRound shows one figure of all sides in the round that has just ended.
func (r *results) lastRound(key string, sides []string) string {
	var out []string
	for _, name := range sides {
		if v := r.Series[key][name]; len(v) > 0 {
			out = append(out, fmt.Sprintf("%s %.0f", name, v[len(v)-1]))
		}
	}
	return strings.Join(out, ", ") + " us"
}

// write puts the report, the raw numbers and the plots into a folder, and the report on stdout.
func (r *results) write(dir string) error {
	text := r.markdown()
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	files := map[string]string{"README.md": text, "results.json": string(raw) + "\n"}
	if r.Series != nil {
		files["added.svg"] = addedPlot(r)
		files["small.svg"] = curvePlot("Small unary request, one at a time", "latency, µs", r.samples["small"])
		files["open.svg"] = curvePlot("Small unary request, 500 a second, from the moment it was due", "latency, µs", r.samples["open"])
		files["token.svg"] = curvePlot("A streamed token, one way, 4 ms apart", "delay, µs", r.samples["token"])
		files["big.svg"] = curvePlot("An agent's body of 435 KB, a turn longer each time", "latency, µs", r.samples["known"])
	}
	if len(r.CancelRows) > 0 {
		files["cancel.svg"] = cancelPlot(r.CancelRows)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
	}
	fmt.Print(text)
	progress("%s", r.summary())
	progress("written to %s after %s", dir, r.Took)
	return nil
}

// environment says on what the run was made.
func environment() []string {
	var u unix.Utsname
	_ = unix.Uname(&u)
	return []string{
		"date " + time.Now().UTC().Format("2006-01-02 15:04 UTC"),
		fmt.Sprintf("%d cores (%s)", runtime.NumCPU(), processor()),
		"Linux " + unix.ByteSliceToString(u.Release[:]),
		runtime.Version() + " " + runtime.GOARCH,
		"load average before " + loadAverage(),
	}
}

func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		if name, value, ok := strings.Cut(in.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func loadAverage() string {
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	f := strings.Fields(string(raw))
	return strings.Join(f[:3], " ")
}

func sinkPosts(addr string) int {
	c, err := dial(addr, nil)
	if err != nil {
		return 0
	}
	defer c.Close()
	if err := c.send([]byte("GET / HTTP/1.1\r\nHost: sink\r\n\r\n")); err != nil {
		return 0
	}
	n, err := c.head()
	if err != nil {
		return 0
	}
	body, err := c.in.Peek(n)
	if err != nil {
		return 0
	}
	var posts int
	_, _ = fmt.Sscan(string(body), &posts)
	return posts
}
