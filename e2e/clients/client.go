//go:build unix

package clients

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A Case is one task for a client: a prompt that makes it use its tools, and what must be true afterwards.
type Case struct {
	Name   string // "dialect/way", such as "chat/stream"
	Prompt string
	Marker string // file in the working folder that the tools write
	Final  string // text that the client must end with
}

// Streams reports whether the case asks for event streams.
func (c Case) Streams() bool { return strings.HasSuffix(c.Name, "/stream") }

// A Report is what a client said about one case.
type Report struct {
	Case   string `json:"case"`
	Final  string `json:"final"`
	Chunks int    `json:"chunks"` // pieces of a stream that user code saw; -1 where the client does not tell
	Tools  int    `json:"tools"`
}

// A Setup is where one run of a client happens.
type Setup struct {
	Install string // the group's folder in the cache
	Drivers string // this package's drivers folder
	Work    string // empty working folder
	Home    string // empty home folder
	Origin  string // "http://host:port" that the client is pointed at
}

// BaseURL is the origin with /v1, as the OpenAI clients want it.
func (s Setup) BaseURL() string { return s.Origin + "/v1" }

// A Client is one agent, framework or SDK.
type Client struct {
	Name    string
	Version string
	Quick   bool // part of the quick selection
	Cases   []string
	Paths   []string // suffixes of request paths that must all have been used
	Limit   time.Duration

	group  *Group
	prompt func(name string) Case
	// run does the cases and returns a report for each.
	run func(ctx context.Context, c *Client, s Setup, cases []Case) ([]Report, error)
}

// Install installs the client's group and returns its folder.
func (c *Client) Install(ctx context.Context, drivers string) (string, error) {
	return c.group.Install(ctx, drivers)
}

// MakeCases returns the client's cases.
func (c *Client) MakeCases() []Case {
	out := make([]Case, len(c.Cases))
	for i, name := range c.Cases {
		out[i] = c.prompt(name)
	}
	return out
}

// Run does the cases once and checks that the work was really done: the tools ran, each once, the final text came, and a
// stream arrived in pieces.
func (c *Client) Run(ctx context.Context, s Setup, cases []Case) error {
	for _, dir := range []string{s.Work, s.Home, filepath.Join(s.Home, "tmp")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("clients: %w", err)
		}
	}
	reports, err := c.run(ctx, c, s, cases)
	if err != nil {
		return err
	}
	byName := map[string]Report{}
	for _, r := range reports {
		byName[r.Case] = r
	}
	for _, k := range cases {
		r, ok := byName[k.Name]
		if !ok {
			return fmt.Errorf("clients: %s: %s: no report", c.Name, k.Name)
		}
		if err := k.check(r, s.Work); err != nil {
			return fmt.Errorf("clients: %s: %s: %w", c.Name, k.Name, err)
		}
	}
	return nil
}

// markerLines are what the tools of a case leave in its marker, in any order: two run in parallel.
var markerLines = []string{"one", "two"}

func (k Case) check(r Report, work string) error {
	b, err := os.ReadFile(filepath.Join(work, k.Marker))
	if err != nil {
		return fmt.Errorf("the tool did not run: %w (final text %q)", err, r.Final)
	}
	got := strings.Fields(string(b))
	if len(got) != len(markerLines) || !containsAll(got, markerLines) {
		return fmt.Errorf("the tools left %q, want %q once each", got, markerLines)
	}
	if !strings.Contains(r.Final, k.Final) {
		return fmt.Errorf("final text %q, want %q in it", r.Final, k.Final)
	}
	if k.Streams() && r.Chunks >= 0 && r.Chunks < 3 {
		return fmt.Errorf("the stream came in %d pieces", r.Chunks)
	}
	return nil
}

func containsAll(list, want []string) bool {
	have := map[string]bool{}
	for _, s := range list {
		have[s] = true
	}
	for _, s := range want {
		if !have[s] {
			return false
		}
	}
	return true
}

// runDriver runs a driver of ours for all cases in one process.
func runDriver(args func(s Setup) ([]string, error), env ...string) func(context.Context, *Client, Setup, []Case) ([]Report, error) {
	return func(ctx context.Context, c *Client, s Setup, cases []Case) ([]Report, error) {
		argv, err := args(s)
		if err != nil {
			return nil, err
		}
		spec, err := driverCases(cases)
		if err != nil {
			return nil, err
		}
		cmd := Command{Args: argv, Dir: s.Work, Env: append(baseEnv(s.Home),
			"E2E_CASES="+spec, "E2E_MODEL=sim", "OPENAI_BASE_URL="+s.BaseURL())}
		cmd.Env = append(cmd.Env, env...)
		out, _, err := cmd.Run(ctx, c.Limit)
		if err != nil {
			return nil, err
		}
		return readReports(out), nil
	}
}

// driverCases is the value of E2E_CASES.
func driverCases(cases []Case) (string, error) {
	type driverCase struct {
		Name   string `json:"name"`
		Prompt string `json:"prompt"`
	}
	var list []driverCase
	for _, k := range cases {
		list = append(list, driverCase{k.Name, k.Prompt})
	}
	spec, err := json.Marshal(list)
	if err != nil {
		return "", fmt.Errorf("clients: %w", err)
	}
	return string(spec), nil
}

func readReports(out []byte) []Report {
	var reports []Report
	for _, line := range strings.Split(string(out), "\n") {
		var r Report
		if strings.HasPrefix(line, "{") && json.Unmarshal([]byte(line), &r) == nil && r.Case != "" {
			reports = append(reports, r)
		}
	}
	return reports
}

// runEach starts the client once for each case; start returns the command, read the report from its output.
func runEach(start func(s Setup, k Case) (Command, error), read func(out []byte) Report) func(context.Context, *Client, Setup, []Case) ([]Report, error) {
	return func(ctx context.Context, c *Client, s Setup, cases []Case) ([]Report, error) {
		var reports []Report
		for _, k := range cases {
			cmd, err := start(s, k)
			if err != nil {
				return nil, err
			}
			out, _, err := cmd.Run(ctx, c.Limit)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k.Name, err)
			}
			r := read(out)
			r.Case = k.Name
			reports = append(reports, r)
		}
		return reports, nil
	}
}
