//go:build e2e

package main

import (
	"context"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The dev half of LoCoMo is not in this repository.
const dev = "../../../../shared/data/locomo_dev.json"

// What memory must find of the dev half, in percent: any@5, any@10, any@20, recall@10, MRR. The weights were tuned on it.
func TestDevHalf(t *testing.T) {
	if _, err := os.Stat(dev); err != nil {
		t.Skipf("SKIP: what is missing is LoCoMo's dev half: %v", err)
	}
	var printed strings.Builder
	if err := run(context.Background(), dev, "", "", &printed); err != nil {
		t.Fatal(err)
	}
	for name, least := range map[string][]float64{"all": {84.5, 90, 94, 84.7, 66.5}, "multi-hop": {0, 0, 0, 55, 0}} {
		line := regexp.MustCompile(`(?m)^` + name + ` .*$`).FindString(printed.String())
		figures := strings.Fields(line)
		if len(figures) != 7 {
			t.Fatalf("no figures of %s in\n%s", name, printed.String())
		}
		for i, want := range least {
			if got, err := strconv.ParseFloat(figures[i+2], 64); err != nil || got < want {
				t.Errorf("figure %d of %s is %s, less than %v", i, name, figures[i+2], want)
			}
		}
	}
	t.Log("\n" + printed.String())
}
