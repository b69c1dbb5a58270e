package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
)

// A length is one request's prompt and output, in tokens.
type length struct{ in, out int }

// cost is the service that a request takes: 1 for a token read, outWeight for a token written.
func (l length) cost() float64 { return float64(l.in) + outWeight*float64(l.out) }

// outWeight is the price of a written token over a read one (VTC's w_q over w_p).
const outWeight = 2

// readLengths reads the columns ContextTokens and GeneratedTokens (the second and third) of an Azure trace. Rows without
// output are left out.
func readLengths(path string) ([]length, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	ls, err := parseLengths(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return ls, nil
}

func parseLengths(r io.Reader) ([]length, error) {
	rows := csv.NewReader(r)
	rows.ReuseRecord = true
	if _, err := rows.Read(); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	var ls []length
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if len(row) < 3 {
			return nil, fmt.Errorf("row %d: %d columns, want 3", len(ls)+2, len(row))
		}
		in, err1 := strconv.Atoi(row[1])
		out, err2 := strconv.Atoi(row[2])
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		if in >= 0 && out >= 1 {
			ls = append(ls, length{max(in, 1), out})
		}
	}
	if len(ls) == 0 {
		return nil, errors.New("no row with output")
	}
	return ls, nil
}

// source gives a scenario's draws for one seed. Different streams of the same seed are independent, so that one tenant's draws
// do not depend on when another one is served.
func source(seed uint64, stream int) *rand.Rand { return rand.New(rand.NewPCG(seed, uint64(stream)+1)) }

func draw(r *rand.Rand, ls []length) length { return ls[r.IntN(len(ls))] }
