//go:build unix

package clients

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// CacheDir is where installed clients are kept: $TRAPGATE_CACHE, else trapgate in the user's cache folder. Everything in
// it can be deleted at any time.
func CacheDir() (string, error) {
	if dir := os.Getenv("TRAPGATE_CACHE"); dir != "" {
		return dir, nil
	}
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "trapgate"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("clients: no cache folder: %w", err)
	}
	return filepath.Join(home, ".cache", "trapgate"), nil
}

// key is a digest of the files and of what their installation depends on besides.
func key(extra string, files ...string) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%s %s %s\n", runtime.GOOS, runtime.GOARCH, extra)
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return "", fmt.Errorf("clients: %w", err)
		}
		fmt.Fprintf(h, "%s\n", filepath.Base(name))
		_, err = io.Copy(h, f)
		_ = f.Close()
		if err != nil {
			return "", fmt.Errorf("clients: %w", err)
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// doneMark stands in a folder whose installation has ended.
const doneMark = ".installed"

// once makes dir by calling install with it, unless that has been done. Processes that come at the same time wait for the
// first; an installation that was cut off is begun again.
func once(dir string, install func(dir string) error) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("clients: %w", err)
	}
	lock, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return fmt.Errorf("clients: %w", err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("clients: lock %s: %w", lock.Name(), err)
	}
	mark := filepath.Join(dir, doneMark)
	if _, err := os.Stat(mark); err == nil {
		return nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("clients: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("clients: %w", err)
	}
	if err := install(dir); err != nil {
		return err
	}
	if err := os.WriteFile(mark, nil, 0o644); err != nil {
		return fmt.Errorf("clients: %w", err)
	}
	return nil
}
