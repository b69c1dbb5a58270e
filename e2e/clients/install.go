//go:build unix

package clients

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A Group is a set of clients that are installed together.
type Group struct {
	Name  string   // the folder in drivers/
	Files []string // the manifest, in that folder
	tool  string   // whose version the installation depends on: python3, node or go
	make  func(ctx context.Context, src, dst string) error
}

var (
	pythonAgents = &Group{"python", []string{"requirements.txt"}, "python3", makePython}
	pythonMini   = &Group{"mini", []string{"requirements.txt"}, "python3", makePython}
	nodeSDKs     = &Group{"node", []string{"package.json", "package-lock.json"}, "node", makeNode}
	codexCLI     = &Group{"codex", []string{"package.json", "package-lock.json"}, "node", makeNode}
	opencodeCLI  = &Group{"opencode", []string{"package.json", "package-lock.json"}, "node", makeNode}
	claudeCLI    = &Group{"claude", []string{"package.json", "package-lock.json"}, "node", makeNode}
	goSDK        = &Group{"go", []string{"go.mod", "go.sum", "main.go"}, "go", makeGo}
)

// Install makes sure that the group is in the cache and returns its folder. drivers is the folder of the manifests.
func (g *Group) Install(ctx context.Context, drivers string) (string, error) {
	src := filepath.Join(drivers, g.Name)
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	version, err := output(ctx, g.tool, map[bool]string{true: "version", false: "--version"}[g.tool == "go"])
	if err != nil {
		return "", fmt.Errorf("clients: %s needs %s: %w", g.Name, g.tool, err)
	}
	files := make([]string, len(g.Files))
	for i, f := range g.Files {
		files[i] = filepath.Join(src, f)
	}
	k, err := key(version, files...)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "clients", g.Name+"-"+k)
	err = once(dir, func(dst string) error { return g.make(ctx, src, dst) })
	if err != nil {
		return "", fmt.Errorf("clients: install %s: %w", g.Name, err)
	}
	return dir, nil
}

// makePython installs exact pins into an environment of their own. The pins name every package, so nothing is resolved.
func makePython(ctx context.Context, src, dst string) error {
	if _, err := output(ctx, "python3", "-m", "venv", dst); err != nil {
		return err
	}
	_, err := output(ctx, filepath.Join(dst, "bin", "python"), "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile",
		"--disable-pip-version-check", "-r", filepath.Join(src, "requirements.txt"))
	return err
}

// makeNode installs what the lock names. No package's install script runs: the command lines are called by the binaries
// that the packages bring.
func makeNode(ctx context.Context, src, dst string) error {
	for _, f := range []string{"package.json", "package-lock.json"} {
		if err := copyFile(filepath.Join(dst, f), filepath.Join(src, f)); err != nil {
			return err
		}
	}
	// Not "npm ci": that refuses a lock without the optional packages of other platforms, which a mirror may not have.
	_, err := output(ctx, "npm", "install", "--prefix", dst, "--no-save", "--ignore-scripts", "--no-audit", "--no-fund",
		"--loglevel=error")
	return err
}

func makeGo(ctx context.Context, src, dst string) error {
	_, err := output(ctx, "go", "-C", src, "build", "-o", filepath.Join(dst, "driver"), ".")
	return err
}

// output runs a command with this process's environment, and returns what it printed; its errors carry the end of that.
func output(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, tail(out.Bytes(), 2000))
	}
	return out.String(), nil
}

func copyFile(dst, src string) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(dst)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}

func tail(b []byte, n int) []byte {
	if len(b) > n {
		return b[len(b)-n:]
	}
	return b
}
