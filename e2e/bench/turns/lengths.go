package main

import (
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"github.com/trapgate/trapgate/e2e/engine/rig"
)

// A length is one request's prompt and output, in tokens.
type length struct{ in, out int }

// readLengths reads the columns ContextTokens and GeneratedTokens (the second and third) of an Azure trace. Without a file it draws
// lengths with about the same means and spread, and says so.
func readLengths(path string) ([]length, string, error) {
	given := path != ""
	if !given {
		root, err := rig.Root()
		if err != nil {
			return nil, "", err
		}
		path = filepath.Join(root, "..", "shared", "data", "azure_conv_dev.csv")
	}
	f, err := os.Open(path)
	if os.IsNotExist(err) && !given {
		return drawnLengths(), "drawn (the Azure trace is not here)", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("turns: %w", err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, "", fmt.Errorf("turns: %s: %w", path, err)
	}
	var list []length
	for i, row := range rows {
		if i == 0 || len(row) < 3 {
			continue
		}
		in, err1 := strconv.Atoi(row[1])
		out, err2 := strconv.Atoi(row[2])
		if err1 != nil || err2 != nil {
			return nil, "", fmt.Errorf("turns: %s: row %d: want numbers in the second and third column", path, i+1)
		}
		if out >= 1 {
			list = append(list, length{max(in, 1), out})
		}
	}
	if len(list) == 0 {
		return nil, "", fmt.Errorf("turns: %s: no row with output", path)
	}
	return list, filepath.Base(path), nil
}

func drawnLengths() []length {
	r := source(1, 9001)
	list := make([]length, 5000)
	for i := range list {
		list[i] = length{
			in:  min(max(1, int(math.Exp(6.6+0.95*r.NormFloat64()))), 8000),
			out: min(max(1, int(math.Exp(5.0+0.85*r.NormFloat64()))), 1000),
		}
	}
	return list
}
