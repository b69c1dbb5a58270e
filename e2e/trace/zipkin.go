package trace

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/trapgate/trapgate/e2e/engine/rig"
)

const (
	zipkinVersion = "3.4.1"
	mavenCopy     = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
)

// Zipkin is a running Zipkin server with a bridge before it.
type Zipkin struct {
	url    string
	proc   *rig.Proc
	bridge *Bridge
}

var _ Backend = (*Zipkin)(nil)

// NewZipkin starts Zipkin on a free port. The first call downloads the server (86 MB) with Maven.
func NewZipkin() (*Zipkin, error) {
	java, err := exec.LookPath("java")
	if err != nil {
		return nil, fmt.Errorf("trace: zipkin needs java: %w", err)
	}
	dir, err := rig.Once("zipkin-"+zipkinVersion, func(dir string) error {
		mvn, err := exec.LookPath("mvn")
		if err != nil {
			return fmt.Errorf("zipkin needs mvn once: %w", err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		return rig.Run(ctx, dir, mvn, "-B", "-q", mavenCopy,
			"-Dartifact=io.zipkin:zipkin-server:"+zipkinVersion+":jar:exec", "-DoutputDirectory="+dir)
	})
	if err != nil {
		return nil, err
	}
	addr, err := rig.FreePort()
	if err != nil {
		return nil, err
	}
	host, port, _ := strings.Cut(addr, ":")
	cmd := exec.Command(java, "-Xmx384m", "-XX:TieredStopAtLevel=1", "-jar",
		filepath.Join(dir, "zipkin-server-"+zipkinVersion+"-exec.jar"),
		"--armeria.ports[0].port="+port, "--armeria.ports[0].ip="+host, "--armeria.ports[0].protocols[0]=http")
	p, _, err := rig.Start(cmd, 0, nil)
	if err != nil {
		return nil, err
	}
	z := &Zipkin{url: "http://" + addr, proc: p}
	if err := await(z.url+"/health", p.Ended(), 2*time.Minute); err != nil {
		_ = p.Kill()
		return nil, fmt.Errorf("%w\n%s", err, p.Log())
	}
	if z.bridge, err = NewBridge(z.url + "/api/v2/spans"); err != nil {
		_ = p.Kill()
		return nil, err
	}
	return z, nil
}

// Name is "zipkin".
func (z *Zipkin) Name() string { return "zipkin" }

// OTLP is the bridge's URL.
func (z *Zipkin) OTLP() string { return z.bridge.URL }

// Stop ends the bridge and the server.
func (z *Zipkin) Stop() {
	z.bridge.Close()
	_ = z.proc.Kill()
}

// Spans reads a trace through the query API.
func (z *Zipkin) Spans(id string) ([]Span, error) {
	if err := z.bridge.Err(); err != nil {
		return nil, err
	}
	var found []zipkinSpan
	if err := getJSON(z.url+"/api/v2/trace/"+id, &found); err != nil {
		return nil, err
	}
	spans := make([]Span, 0, len(found))
	for _, f := range found {
		s := Span{
			Trace: f.TraceID, ID: f.ID, Parent: f.ParentID, Name: f.Name, Kind: f.Kind,
			Service: f.LocalEndpoint.ServiceName, Attrs: f.Tags,
		}
		for _, a := range f.Annotations {
			s.Events = append(s.Events, a.Value)
		}
		spans = append(spans, s)
	}
	return spans, nil
}

// A zipkinSpan is Zipkin's v2 JSON form. Times are microseconds.
type zipkinSpan struct {
	TraceID       string             `json:"traceId"`
	ID            string             `json:"id"`
	ParentID      string             `json:"parentId,omitempty"`
	Name          string             `json:"name"`
	Kind          string             `json:"kind,omitempty"`
	Timestamp     int64              `json:"timestamp"`
	Duration      int64              `json:"duration"`
	LocalEndpoint zipkinEndpoint     `json:"localEndpoint"`
	Tags          map[string]string  `json:"tags,omitempty"`
	Annotations   []zipkinAnnotation `json:"annotations,omitempty"`
}

type zipkinEndpoint struct {
	ServiceName string `json:"serviceName,omitempty"`
}

type zipkinAnnotation struct {
	Timestamp int64  `json:"timestamp"`
	Value     string `json:"value"`
}
