package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/trapgate/trapgate/proxy/config"
)

// patience is how long a script waits for a process to be ready or to end.
const patience = 20 * time.Second

// TestScripts runs every script of testdata/script: the command as a user meets it, each process a real one.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start": startProcess, "signal": signalProcess, "ended": endedProcess, "exits": exits, "tree": tree,
		},
		Setup: func(e *testscript.Env) error {
			home := filepath.Join(e.WorkDir, "home")
			if err := os.Mkdir(home, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
			e.Values[processes{}] = map[string]*process{}
			for _, name := range [...]string{"ADMIN", "FREE"} {
				addr, err := freeAddr()
				if err != nil {
					return err
				}
				e.Setenv(name, addr)
			}
			e.Setenv("HOME", home)
			return nil
		},
		RequireExplicitExec: true,
	})
}

// freeAddr is a loopback address whose port was free a moment ago.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

type processes struct{}

// A process is one that a script has started and talks to by signals.
type process struct {
	cmd      *exec.Cmd
	out, err bytes.Buffer
	done     chan error
}

// startProcess is "start NAME PATTERN COMMAND...": it waits for a line of stdout that matches and puts the first submatch
// into $NAME. The process is killed at the end of the script if it still runs.
func startProcess(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: start NAME PATTERN COMMAND...")
	}
	path, err := exec.LookPath(args[2])
	if own := filepath.Join(filepath.SplitList(ts.Getenv("PATH"))[0], args[2]); err != nil || exists(own) {
		path = own
	}
	p := &process{cmd: exec.Command(path, args[3:]...), done: make(chan error, 1)}
	p.cmd.Dir, p.cmd.Env, p.cmd.Stderr = ts.MkAbs("."), environOf(ts), &p.err
	out, err := p.cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(p.cmd.Start())
	ts.Value(processes{}).(map[string]*process)[args[0]] = p
	ready, found := make(chan struct{}), regexp.MustCompile(args[1])
	var value string
	go func() {
		in := bufio.NewReader(out)
		for waiting := true; ; {
			line, err := in.ReadString('\n')
			p.out.WriteString(line)
			if m := found.FindStringSubmatch(strings.TrimRight(line, "\n")); waiting && m != nil {
				value, waiting = m[len(m)-1], false
				close(ready)
			}
			if err != nil {
				break
			}
		}
		p.done <- p.cmd.Wait()
	}()
	ts.Defer(func() { p.cmd.Process.Kill() })
	select {
	case <-ready:
		ts.Setenv(args[0], value)
	case err := <-p.done:
		ts.Fatalf("%s ended before it was ready: %v\n%s%s", args[2], err, &p.out, &p.err)
	case <-time.After(patience):
		ts.Fatalf("%s was not ready within %v", args[2], patience)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// environOf is the script's environment: what it set wins over what testscript gave.
func environOf(ts *testscript.TestScript) (env []string) {
	for _, name := range [...]string{"PATH", "HOME", "TMPDIR", "WORK", "OPENAI_BASE_URL", "OPENAI_API_KEY", "ANTHROPIC_BASE_URL", "TRAPGATE_CONFIG", "TRAPGATE_LISTEN", "TRAPGATE_ADMIN"} {
		if v := ts.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// signalProcess is "signal NAME TERM|INT|HUP".
func signalProcess(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]os.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP}
	p := ts.Value(processes{}).(map[string]*process)[args[0]]
	if neg || len(args) != 2 || p == nil || signals[args[1]] == nil {
		ts.Fatalf("usage: signal NAME TERM|INT|HUP")
	}
	ts.Check(p.cmd.Process.Signal(signals[args[1]]))
}

// endedProcess is "ended NAME CODE": it waits for the process, compares the exit code (128 and the signal when one ended it)
// and leaves its output in NAME.stdout and NAME.stderr.
func endedProcess(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: ended NAME CODE")
	}
	p := ts.Value(processes{}).(map[string]*process)[args[0]]
	select {
	case err := <-p.done:
		p.done <- err
		ts.Check(os.WriteFile(ts.MkAbs(args[0]+".stdout"), p.out.Bytes(), 0o644))
		ts.Check(os.WriteFile(ts.MkAbs(args[0]+".stderr"), p.err.Bytes(), 0o644))
		if code := strconv.Itoa(codeOf(err)); code != args[1] {
			ts.Fatalf("%s ended with %s, not %s\n%s%s", args[0], code, args[1], &p.out, &p.err)
		}
	case <-time.After(patience):
		ts.Fatalf("%s did not end within %v", args[0], patience)
	}
}

// exits is "exits CODE COMMAND...": exec with an exact exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	err := ts.Exec(args[1], args[2:]...)
	if code := strconv.Itoa(codeOf(err)); code != args[0] {
		ts.Fatalf("exit code %s, not %s: %v", code, args[0], err)
	}
}

func codeOf(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &exit):
		return -1
	}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return exit.ExitCode()
}

// tree is "tree DIR FILE": it writes the paths and contents of all below DIR into FILE.
func tree(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: tree DIR FILE")
	}
	var b bytes.Buffer
	root := ts.MkAbs(args[0])
	ts.Check(filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			fmt.Fprintf(&b, "%s %v\n", strings.TrimPrefix(path, root), err)
			return err
		}
		raw, err := os.ReadFile(path)
		fmt.Fprintf(&b, "%s %q\n", strings.TrimPrefix(path, root), raw)
		return err
	}))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b.Bytes(), 0o644))
}

// TestHelp: every command explains itself and each of its flags.
func TestHelp(t *testing.T) {
	var c commands
	parser, err := kong.New(&c, kong.Name("trapgate"))
	if err != nil {
		t.Fatal(err)
	}
	root := helpOf(t, "--help")
	for _, command := range parser.Model.Children {
		if !strings.Contains(root, "  "+command.Name) {
			t.Errorf("trapgate --help does not name %s", command.Name)
		}
		help := helpOf(t, command.Name, "--help")
		if words := strings.Fields(command.Help); len(words) < 3 || !strings.Contains(help, words[0]+" "+words[1]) {
			t.Errorf("%s --help does not say what it does:\n%s", command.Name, help)
		}
		for _, f := range command.Flags {
			if f.Help == "" || !strings.Contains(help, "--"+f.Name) || !strings.Contains(help, strings.Fields(f.Help)[0]) {
				t.Errorf("%s --help does not explain --%s:\n%s", command.Name, f.Name, help)
			}
		}
		for _, p := range command.Positional {
			if p.Help == "" || !strings.Contains(help, p.Name) {
				t.Errorf("%s --help does not explain %s", command.Name, p.Name)
			}
		}
	}
}

func helpOf(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := execute(context.Background(), args, &streams{out: &out, err: &errs, env: config.Env{}}); code != 0 || errs.Len() > 0 {
		t.Errorf("trapgate %s: exit code %d, stderr %q", strings.Join(args, " "), code, &errs)
	}
	return out.String()
}
