package main

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/trapgate/trapgate/proxy/config"
)

// tenantsKey is the file in the data directory with the key by which tenants without an auth key are named: so a tenant keeps
// its name, and with it its budgets, over a restart.
const tenantsKey = "tenants.key"

// tenantSecret returns that key. Sidecars that share budgets name tenants alike, by what they share. Without a data directory
// that can be written, names last as long as the process.
func tenantSecret(snap *config.Snapshot) []byte {
	if s := snap.Schedule; s != nil && s.Shared != nil {
		sum := sha256.Sum256([]byte("trapgate tenants\x00" + s.Shared.Redis.Reveal() + "\x00" + s.Shared.Prefix))
		return sum[:]
	}
	if snap.Data == "" {
		return nil
	}
	path := filepath.Join(snap.Data, tenantsKey)
	if snap.Schedule == nil { // nothing is kept under their names
		key, _ := os.ReadFile(path)
		return key
	}
	key, err := readOrMake(path)
	if err != nil {
		slog.Warn("tenants that show no auth key get other names at the next start, and fresh budgets with them", "error", err)
	}
	return key
}

// readOrMake reads a key of 32 bytes, or makes one. Of two processes that make it at once both use the one that came first.
func readOrMake(path string) ([]byte, error) {
	key, err := os.ReadFile(path)
	if err == nil && len(key) == sha256.Size {
		return key, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("tenants: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("tenants: %w", err)
	}
	key = make([]byte, sha256.Size)
	rand.Read(key)
	own := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := os.WriteFile(own, key, 0o600); err != nil {
		return nil, fmt.Errorf("tenants: %w", err)
	}
	defer os.Remove(own)
	if err := os.Link(own, path); err == nil {
		return key, nil
	}
	if key, err = os.ReadFile(path); err == nil && len(key) == sha256.Size {
		return key, nil
	}
	return nil, fmt.Errorf("tenants: %s holds no key: remove it", path)
}
