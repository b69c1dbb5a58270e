//go:build e2e

package server

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/memory/embed"
)

// TestStaticModel compares with what the model's makers compute, token by token as far as vectors show.
func TestStaticModel(t *testing.T) {
	need(t)
	dir, python, err := InstallStatic()
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	m, err := embed.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	t.Logf("%s is open after %v", m.Model(), time.Since(begin).Round(time.Millisecond))
	const script = "import json, sys\nfrom static_model import get_embeddings\n" +
		"json.dump(get_embeddings(json.load(sys.stdin)), sys.stdout)"
	texts := odd()
	agree(t, m, texts, reference(t, texts, python, "-B", "-c", script))
	fast(t, m)
}

// TestWordPieceModel compares with Hugging Face's tokenizers on the vocabulary of BERT.
func TestWordPieceModel(t *testing.T) {
	need(t)
	dir, err := Install()
	if err != nil {
		t.Fatal(err)
	}
	made, texts := t.TempDir(), append(odd(),
		"ŁÓDŹ İstanbul ǅ straße", "e\u0301tude a\u200db\u00adc\u0000d", "$5.00 ~ 3^2 = `x` ©2024 “quoted” —dash",
		strings.Repeat("long", 30)+" word",
		strings.Repeat("a", 101)+" b", "漢字とカタカナ 한국어", "😀 smile")
	want := reference(t, texts, filepath.Join(dir, "bin", "python"), "-B", "wordvectors.py", filepath.Join(dir, "model"), made)
	m, err := embed.Open(made)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	agree(t, m, texts, want)
	fast(t, m)
}

// odd are texts that are easy to cut wrongly.
func odd() []string {
	texts := []string{
		"2023-05-08 user: the deploy key's path is /srv/app/config.yaml", "naïve café ﬁne ½ ①", "何時に起きますか",
		"  spaces\tand\nlines  ",
		"Ich wohne jetzt in München, nicht mehr in Zürich!", "antidisestablishmentarianism xyzzyplugh",
		"x", "... --- ...", "مرحبا بالعالم",
	}
	for _, l := range like {
		texts = append(texts, l[:]...)
	}
	return texts
}

// reference runs a program that reads texts and writes their vectors.
func reference(t *testing.T, texts []string, name string, args ...string) (vectors [][]float32) {
	t.Helper()
	in, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &vectors); err != nil || len(vectors) != len(texts) {
		t.Fatalf("%d vectors, %v", len(vectors), err)
	}
	return vectors
}

func agree(t *testing.T, m *embed.Static, texts []string, want [][]float32) {
	t.Helper()
	for i, v := range embedAll(t, m, texts...) {
		if len(v) != len(want[i]) || dot(v, want[i]) < 0.99999 {
			t.Errorf("%q: %v from the reference", texts[i], dot(v, want[i]))
		}
	}
}

// fast measures one sentence.
func fast(t *testing.T, m *embed.Static) {
	t.Helper()
	best := time.Hour
	const rounds = 200
	for range 20 { // the best round, because others may use the machine
		begin := time.Now()
		for range rounds {
			embedAll(t, m, "2023-05-08 Caroline: The support group has made me feel accepted and given me courage to embrace myself.")
		}
		best = min(best, time.Since(begin)/rounds)
	}
	t.Logf("a sentence of 18 words: %v", best)
	if best > 100*time.Microsecond {
		t.Errorf("a sentence takes %v, more than 100 us", best)
	}
}
