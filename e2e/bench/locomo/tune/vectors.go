package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/trapgate/trapgate/memory/record"
)

// embedded is what the engine has embedded for a record.
func embedded(r *record.Record) string {
	return r.Said.Format(time.DateOnly) + " " + r.Speaker + ": " + r.Text
}

// readVectors reads embeddings that were made before, {"text": [numbers], ...}, of turns as the engine has them embedded and of
// questions, and makes them of unit length. No path: nil.
func readVectors(path string) (map[string][]float32, error) {
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var vectors map[string][]float32
	if err := json.Unmarshal(b, &vectors); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, v := range vectors {
		var sum float64
		for _, f := range v {
			sum += float64(f) * float64(f)
		}
		if sum == 0 {
			continue
		}
		for i := range v {
			v[i] /= float32(math.Sqrt(sum))
		}
	}
	return vectors, nil
}
