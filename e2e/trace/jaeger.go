package trace

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/trapgate/trapgate/e2e/engine/rig"
)

const jaegerModule = "github.com/jaegertracing/jaeger@v1.76.0"

// Jaeger is a running Jaeger all-in-one with its store in memory.
type Jaeger struct {
	otlp, query string
	proc        *rig.Proc
}

var _ Backend = (*Jaeger)(nil)

// NewJaeger starts Jaeger on free ports. The first call builds it from its module, which takes minutes.
func NewJaeger() (*Jaeger, error) {
	dir, err := rig.Once("jaeger-1.76.0", buildJaeger)
	if err != nil {
		return nil, err
	}
	listeners := []string{
		"collector.otlp.http", "query.http-server", "admin.http", "collector.otlp.grpc", "query.grpc-server",
		"collector.grpc-server", "collector.http-server",
	}
	args, addrs := []string{"--collector.otlp.enabled=true", "--log-level=warn"}, make([]string, len(listeners))
	for i, name := range listeners {
		if addrs[i], err = rig.FreePort(); err != nil {
			return nil, err
		}
		args = append(args, "--"+name+".host-port="+addrs[i])
	}
	cmd := exec.Command(filepath.Join(dir, "jaeger"), args...)
	cmd.Env = append(os.Environ(), "SPAN_STORAGE_TYPE=memory")
	p, _, err := rig.Start(cmd, 0, nil)
	if err != nil {
		return nil, err
	}
	j := &Jaeger{otlp: "http://" + addrs[0], query: "http://" + addrs[1], proc: p}
	if err := await("http://"+addrs[2]+"/", p.Ended(), time.Minute); err != nil {
		_ = p.Kill()
		return nil, fmt.Errorf("%w\n%s", err, p.Log())
	}
	return j, nil
}

// buildJaeger builds inside a copy of the module, because only the module's own go.sum pins versions that all resolve.
func buildJaeger(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Minute)
	defer cancel()
	raw, err := exec.CommandContext(ctx, "go", "mod", "download", "-json", jaegerModule).Output()
	if err != nil {
		return fmt.Errorf("download %s: %w", jaegerModule, err)
	}
	var mod struct{ Dir string }
	if err := json.Unmarshal(raw, &mod); err != nil {
		return fmt.Errorf("download %s: %w", jaegerModule, err)
	}
	src := filepath.Join(dir, "src")
	if err := os.CopyFS(src, os.DirFS(mod.Dir)); err != nil {
		return err
	}
	err = rig.Run(ctx, src, "env", "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-buildvcs=false",
		"go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(dir, "jaeger"), "./cmd/all-in-one")
	if err != nil {
		return err
	}
	return os.RemoveAll(src)
}

// Name is "jaeger".
func (j *Jaeger) Name() string { return "jaeger" }

// OTLP is the URL of its OTLP receiver.
func (j *Jaeger) OTLP() string { return j.otlp }

// Stop ends it.
func (j *Jaeger) Stop() { _ = j.proc.Kill() }

// Spans reads a trace through the query API.
func (j *Jaeger) Spans(id string) ([]Span, error) {
	var found struct {
		Data []struct {
			Spans     []jaegerSpan `json:"spans"`
			Processes map[string]struct {
				ServiceName string `json:"serviceName"`
			} `json:"processes"`
		} `json:"data"`
	}
	if err := getJSON(j.query+"/api/traces/"+id, &found); err != nil {
		return nil, err
	}
	var spans []Span
	for _, trace := range found.Data {
		for _, f := range trace.Spans {
			s := f.span()
			s.Service = trace.Processes[f.ProcessID].ServiceName
			spans = append(spans, s)
		}
	}
	return spans, nil
}

type jaegerSpan struct {
	TraceID       string `json:"traceID"`
	SpanID        string `json:"spanID"`
	OperationName string `json:"operationName"`
	ProcessID     string `json:"processID"`
	References    []struct {
		RefType string `json:"refType"`
		SpanID  string `json:"spanID"`
	} `json:"references"`
	Tags []jaegerTag `json:"tags"`
	Logs []struct {
		Fields []jaegerTag `json:"fields"`
	} `json:"logs"`
}

type jaegerTag struct {
	Key   string      `json:"key"`
	Value jaegerValue `json:"value"`
}

// A jaegerValue is a JSON value as text: a string without its quotes, a number with all its digits.
type jaegerValue string

func (v *jaegerValue) UnmarshalJSON(raw []byte) error {
	if raw[0] != '"' {
		*v = jaegerValue(raw)
		return nil
	}
	return json.Unmarshal(raw, (*string)(v))
}

func (f jaegerSpan) span() Span {
	s := Span{Trace: f.TraceID, ID: f.SpanID, Name: f.OperationName, Attrs: map[string]string{}}
	for _, r := range f.References {
		if r.RefType == "CHILD_OF" {
			s.Parent = r.SpanID
		}
	}
	for _, tag := range f.Tags {
		s.Attrs[tag.Key] = string(tag.Value)
	}
	if kind := strings.ToUpper(s.Attrs["span.kind"]); kind != "INTERNAL" {
		s.Kind = kind
	}
	for _, l := range f.Logs {
		for _, field := range l.Fields {
			if field.Key == "event" {
				s.Events = append(s.Events, string(field.Value))
			}
		}
	}
	return s
}
