package server

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/trapgate/trapgate/e2e/engine/rig"
)

// staticPin is a package that carries a model2vec model (Unigram, 276,326 tokens, 10,000 vectors of 64 bytes) and the code of its
// makers that computes with it: a reference that nobody here wrote.
const staticPin = "tokenlearn-static-model==0.1.1"

// InstallStatic makes sure that the package is in the cache. It returns the model's folder, for embed.Open, and a python with which
// `from static_model import get_embeddings` works.
func InstallStatic() (model, python string, err error) {
	base, err := exec.LookPath("python3")
	if err != nil {
		return "", "", fmt.Errorf("embedserver: python3 is needed: %w", err)
	}
	version, err := exec.Command(base, "-VV").Output()
	if err != nil {
		return "", "", fmt.Errorf("embedserver: python3 -VV: %w", err)
	}
	sum := sha256.Sum256(append([]byte(staticPin), version...))
	dir, err := rig.Once(fmt.Sprintf("static-%x", sum[:6]), func(dir string) error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		if err := rig.Run(ctx, dir, base, "-m", "venv", "."); err != nil {
			return err
		}
		return rig.Run(ctx, dir, filepath.Join(dir, "bin", "python"), "-m", "pip", "install", "-q", "--no-deps", "--no-compile",
			"--disable-pip-version-check", "--only-binary", ":all:", staticPin)
	})
	if err != nil {
		return "", "", err
	}
	found, err := filepath.Glob(filepath.Join(dir, "lib", "python*", "site-packages", "static_model", "model"))
	if err != nil || len(found) != 1 {
		return "", "", fmt.Errorf("embedserver: %s has no model in it (%v)", staticPin, err)
	}
	return found[0], filepath.Join(dir, "bin", "python"), nil
}
