//go:build e2e && linux

package memory

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/e2e/engine/rig"
	"github.com/trapgate/trapgate/internal/state"
)

// TestDiskFull: agents are served while nothing can be written; what was kept is there, and learning goes on when there is room again.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	wrap := []string{"unshare", "--mount", "sh", "-c", `mount -t tmpfs -o size=16m none "$0" && exec "$@"`, dir}
	if out, err := exec.Command("unshare", "--mount", "sh", "-c", `mount -t tmpfs -o size=1m none "$0"`, dir).CombinedOutput(); err != nil {
		rig.Skip(t, fmt.Sprintf("a file system of its own needs root: %v: %s", err, out))
	}
	u := model(t, nil)
	g := start(t, filepath.Join(dir, "data"), u.base(), byHeader, wrap...)
	inside := filepath.Join("/proc", fmt.Sprint(g.PID()), "root", dir)
	g.data = filepath.Join(inside, "data")
	r := rand.New(rand.NewPCG(5, 5))
	say := func(word string) {
		t.Helper()
		g.asks(u, []msg{says(distinct(r, word))}, "x-user: ann", "x-trapgate-session: "+word)
	}
	say("before")
	if !g.settle("crate before") {
		t.Fatal("not learned")
	}
	ballast := filepath.Join(inside, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 20<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	for i := range times(600, 3000) {
		say(fmt.Sprintf("full%d", i))
	}
	if rep := g.asks(u, []msg{says("What does the crate before hold?")}, "x-user: ann", "x-trapgate-session: ask"); rep.notes() == "" {
		t.Logf("nothing is told while the disk is full: x-trapgate-memory: %s", rep.memory)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	say("after")
	if !g.settle("crate after") {
		t.Errorf("nothing is learned after the disk was full\n%s", g.Log())
	}
	kept := g.must("export")
	if !strings.Contains(kept, "crate before") {
		t.Error("what was kept before is lost")
	}
	t.Logf("%.300s", g.Log())
	t.Logf("%d of what was said while the disk was full is kept", strings.Count(kept, "crate full"))
	if log := g.Log(); !strings.Contains(log, "full") {
		t.Errorf("the log does not say why: %s", log)
	}
}

// TestDamaged: a state file that is damaged is refused with its name and nothing of it is thrown away, or it is read as it was.
func TestDamaged(t *testing.T) {
	u := model(t, nil)
	r := rand.New(rand.NewPCG(9, 9))
	good := filepath.Join(t.TempDir(), "data")
	g := start(t, good, u.base(), byHeader)
	for i := range 60 {
		g.asks(u, []msg{says(distinct(r, fmt.Sprintf("number%d", i)))}, "x-user: ann", fmt.Sprintf("x-trapgate-session: s%d", i))
	}
	if !g.settle("crate number59") {
		t.Fatal("not learned")
	}
	g.stop()
	for name, damage := range map[string]func([]byte) []byte{
		"the head":         func(b []byte) []byte { copy(b, bytes.Repeat([]byte{0xa5}, 100)); return b },
		"all but the head": func(b []byte) []byte { copy(b[4096:], bytes.Repeat([]byte{0xa5}, len(b)-4096)); return b },
		"cut off":          func(b []byte) []byte { return b[:len(b)/2] },
		"a page in the middle": func(b []byte) []byte {
			at := len(b) / 2 / 4096 * 4096
			copy(b[at:at+4096], make([]byte, 4096))
			return b
		},
	} {
		t.Run(name, func(t *testing.T) { damaged(t, u, good, damage) })
	}
}

func damaged(t *testing.T, u *upstream, good string, damage func([]byte) []byte) {
	data := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(data, os.DirFS(good)); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"", "admin.token"} { // CopyFS opens modes for all
		_ = os.Chmod(filepath.Join(data, f), map[bool]os.FileMode{true: 0o700, false: 0o600}[f == ""])
	}
	file := filepath.Join(data, state.File)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b = damage(b)
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	g, err := tryStart(t, data, u.base(), byHeader)
	if err != nil {
		after, _ := os.ReadFile(file)
		t.Logf("refused: %v", err)
		if !strings.Contains(err.Error(), state.File) {
			t.Error("the error does not name the file")
		}
		if !bytes.Equal(after, b) {
			t.Error("the file was changed")
		}
		return
	}
	t.Logf("started; the log says: %.600s", g.Log())
	rep := g.asks(u, []msg{says("What does the crate number7 hold?")}, "x-user: ann", "x-trapgate-session: ask")
	out, err := g.cli("export")
	t.Logf("x-trapgate-memory: %s; %d of 60 are exported: %v", rep.memory, strings.Count(out, "crate number"), err)
	if n := strings.Count(out, "crate number"); n < 60 && err == nil && !kept(t, data, b) {
		t.Errorf("%d of 60 left, and what was damaged is thrown away", n)
	}
}

// kept reports whether some file of a folder begins with what the damaged file had.
func kept(t *testing.T, dir string, damaged []byte) bool {
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && len(damaged) > 0 && bytes.Equal(b, damaged) {
			return true
		}
	}
	return false
}
