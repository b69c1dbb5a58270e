package share

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// SecretFile is the file in the data directory that keys the names of tenants that are known by their credential alone.
const SecretFile = "tenants.key"

const secretBytes = 32

// Secret returns what keys the names of tenants, the same for all who share and after every start: of sidecars that share a
// Redis by its address and prefix, else of the data directory, where it is made (0600) when it is missing.
func Secret(dir, redis, prefix string) ([]byte, error) {
	if redis != "" {
		h := sha256.Sum256([]byte("trapgate tenants\x00" + redis + "\x00" + prefix))
		return h[:], nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("share: %w", err)
	}
	file := filepath.Join(dir, SecretFile)
	key, err := readSecret(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	f, err := os.CreateTemp(dir, "."+SecretFile+"-*") // 0600
	if err != nil {
		return nil, fmt.Errorf("share: %w", err)
	}
	defer os.Remove(f.Name())
	key = make([]byte, secretBytes)
	if _, err = rand.Read(key); err == nil {
		_, err = f.Write(key)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Link(f.Name(), file) // of several processes one wins, and all read the same
	}
	if errors.Is(err, fs.ErrExist) {
		return readSecret(file)
	}
	if err != nil {
		return nil, fmt.Errorf("share: %w", err)
	}
	return key, nil
}

func readSecret(file string) ([]byte, error) {
	key, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("share: %w", err)
	}
	if len(key) != secretBytes {
		return nil, fmt.Errorf("share: %s: not a key\nhint: remove it; names of tenants that begin with cred- will be others then", file)
	}
	return key, nil
}
