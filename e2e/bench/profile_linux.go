package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/trapgate/trapgate/e2e/engine/rig"
)

// profileGate writes CPU and heap profiles of Trapgate under load into a folder, for go tool pprof: small requests at c=64,
// then bodies of
// 435 KB one at a time, cold and with a known prefix, then streams at full speed.
func profileGate(dir string) error {
	up, addr, err := startRole("upstream")
	if err != nil {
		return err
	}
	defer func() { _ = up.CloseStdin() }()
	g, err := rig.StartGate(gateConfig("http://"+addr+"/v1", ""), "")
	if err != nil {
		return err
	}
	defer func() { _ = g.Close() }()
	s := &side{name: gate, addr: g.Addr(), pid: g.PID()}
	loads := map[string]func() error{
		"small": func() error {
			_, _, err := closedMany(s, 64, 5*time.Second)
			return err
		},
		"cold": func() error {
			for end := time.Now().Add(6 * time.Second); time.Now().Before(end); {
				if _, err := bigCold(s.addr, newConversation("", "", 1, 1), 500); err != nil {
					return err
				}
			}
			return nil
		},
		"known": func() error {
			for end := time.Now().Add(6 * time.Second); time.Now().Before(end); {
				if _, err := bigKnown(s.addr, newConversation("", "", 501, seed()/1_000_000), 500); err != nil {
					return err
				}
			}
			return nil
		},
		"stream": func() error {
			_, err := fullSpeed(s, 4, 250_000)
			return err
		},
	}
	if err := save(g, "/debug/pprof/heap", filepath.Join(dir, "idle.heap")); err != nil {
		return err
	}
	for _, name := range []string{"small", "cold", "known", "stream"} {
		done := make(chan error, 1)
		go func() { done <- loads[name]() }()
		if err := save(g, "/debug/pprof/profile?seconds=4", filepath.Join(dir, name+".cpu")); err != nil {
			return err
		}
		if err := <-done; err != nil {
			return err
		}
		if err := save(g, "/debug/pprof/allocs", filepath.Join(dir, name+".allocs")); err != nil {
			return err
		}
	}
	progress("profiles are in %s", dir)
	return nil
}

func save(g *rig.Gate, path, file string) error {
	status, body, err := g.AdminGet(path)
	if err != nil {
		return err
	}
	if status != 200 {
		return fmt.Errorf("bench: %s: status %d: %.200s", path, status, body)
	}
	if err := os.WriteFile(file, body, 0o644); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return nil
}
