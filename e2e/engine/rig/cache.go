package rig

import (
	"fmt"
	"os"
	"path/filepath"
)

// Cache returns the folder for things that are made once and used by later runs: $TRAPGATE_CACHE, else trapgate/e2e in the
// user's cache folder ($XDG_CACHE_HOME or ~/.cache on Linux). It is made if absent.
func Cache() (string, error) {
	dir := os.Getenv("TRAPGATE_CACHE")
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("rig: no cache folder: %w (set TRAPGATE_CACHE)", err)
		}
		dir = filepath.Join(base, "trapgate", "e2e")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("rig: cache folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("rig: cache folder: %w", err)
	}
	return dir, nil
}

// Once returns the folder name in the cache, and fills it with fill if it is not complete. The name must change whenever
// what is inside would: put versions and hashes into it. Processes that ask for the same name at the same time wait for the
// one that fills it; after a failure the folder is removed, so that the next run tries again. fill works in the final
// place, because virtual environments and the like cannot be moved.
func Once(name string, fill func(dir string) error) (string, error) {
	cache, err := Cache()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, name)
	done := filepath.Join(dir, ".complete")
	unlock, err := lock(dir + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(done); err == nil {
		return dir, nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", fmt.Errorf("rig: %s: %w", name, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("rig: %s: %w", name, err)
	}
	if err := fill(dir); err != nil {
		_ = os.RemoveAll(dir)
		return "", fmt.Errorf("rig: making %s: %w", name, err)
	}
	if err := os.WriteFile(done, nil, 0o644); err != nil {
		return "", fmt.Errorf("rig: %s: %w", name, err)
	}
	return dir, nil
}

// Root returns the folder of the module, found upwards from the working directory.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("rig: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("rig: no go.mod above the working directory")
		}
		dir = up
	}
}
