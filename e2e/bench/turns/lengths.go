package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math"

	"github.com/trapgate/trapgate/e2e/bench/internal/benchkit"
)

// lengthsOr reads the lengths of calls for the overload. Where no file is named and the usual one is absent it draws some with about the
// same means and spread, and says so.
func lengthsOr(path string) ([]benchkit.Length, string, error) {
	list, from, err := benchkit.Lengths(path)
	switch {
	case path == "" && errors.Is(err, fs.ErrNotExist):
		return drawnLengths(), "drawn (the Azure trace is not here)", nil
	case err != nil:
		return nil, "", fmt.Errorf("turns: %w", err)
	}
	return list, from, nil
}

func drawnLengths() []benchkit.Length {
	r := benchkit.Source(1, 9001)
	list := make([]benchkit.Length, 5000)
	for i := range list {
		list[i] = benchkit.Length{
			In:  min(max(1, int(math.Exp(6.6+0.95*r.NormFloat64()))), 8000),
			Out: min(max(1, int(math.Exp(5.0+0.85*r.NormFloat64()))), 1000),
		}
	}
	return list
}
