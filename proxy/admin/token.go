package admin

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// TokenFile is the name of the file in the data directory that holds the admin token.
const TokenFile = "admin.token"

// SocketFile is the name of the socket in the data directory on which its holder answers.
const SocketFile = "admin.sock"

// tokenBytes is the strength of a token; it is written in hex.
const tokenBytes = 32

// Token returns the admin token of a data directory and makes both when they are absent: the directory 0700, the file 0600.
// A token that others could read is replaced.
func Token(dir string) (string, error) {
	if dir == "" {
		return "", errors.New("admin: no data directory for the token")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("admin: %w", err)
	}
	file := filepath.Join(dir, TokenFile)
	token, err := ReadToken(dir)
	switch {
	case err == nil:
		return token, nil
	case errors.Is(err, errExposed):
		if err := os.Remove(file); err != nil {
			return "", fmt.Errorf("admin: %w", err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	return newToken(dir, file)
}

// newToken writes a token beside its place and links it in, so that of several processes one wins and all read the same.
func newToken(dir, file string) (string, error) {
	raw := make([]byte, tokenBytes)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("admin: %w", err)
	}
	f, err := os.CreateTemp(dir, ".admin.token-*") // 0600
	if err != nil {
		return "", fmt.Errorf("admin: %w", err)
	}
	defer os.Remove(f.Name())
	token := hex.EncodeToString(raw)
	_, err = f.WriteString(token + "\n")
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Link(f.Name(), file)
	}
	if errors.Is(err, fs.ErrExist) {
		return ReadToken(dir)
	}
	if err != nil {
		return "", fmt.Errorf("admin: %w", err)
	}
	return token, nil
}

var errExposed = errors.New("others can read it")

// ReadToken returns the token of a data directory, and makes none: for those who ask a running Trapgate.
func ReadToken(dir string) (string, error) {
	file := filepath.Join(dir, TokenFile)
	info, err := os.Lstat(file)
	if err != nil {
		return "", fmt.Errorf("admin: %w", err)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("admin: %s: not a regular file", file)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("admin: %s: %w\nhint: remove it; serve writes a new one", file, errExposed)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("admin: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if raw, err := hex.DecodeString(token); err != nil || len(raw) != tokenBytes {
		return "", fmt.Errorf("admin: %s: not a token\nhint: remove it; serve writes a new one", file)
	}
	return token, nil
}
