package benchkit

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"

	"github.com/trapgate/trapgate/e2e/engine/rig"
)

// A Length is one request's prompt and output, in tokens.
type Length struct{ In, Out int }

// LengthsFile is the file that Lengths reads when none is named: data beside the repository, never in it.
const LengthsFile = "../shared/data/azure_conv_dev.csv"

// Lengths reads the columns ContextTokens and GeneratedTokens (the second and third) of an Azure trace: those of the file at path, or of
// LengthsFile where path is empty. Rows without output are left out, and there is at least one row. name is the file's without its
// folder. A file that is absent is fs.ErrNotExist.
func Lengths(path string) (ls []Length, name string, err error) {
	if path == "" {
		root, err := rig.Root()
		if err != nil {
			return nil, "", err
		}
		path = filepath.Join(root, LengthsFile)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	if ls, err = parseLengths(f); err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	return ls, filepath.Base(path), nil
}

func parseLengths(r io.Reader) ([]Length, error) {
	rows := csv.NewReader(r)
	rows.ReuseRecord = true
	if _, err := rows.Read(); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	var ls []Length
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		line, _ := rows.FieldPos(0)
		if len(row) < 3 {
			return nil, fmt.Errorf("line %d: %d columns, want 3", line, len(row))
		}
		in, err1 := strconv.Atoi(row[1])
		out, err2 := strconv.Atoi(row[2])
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		if in >= 0 && out >= 1 {
			ls = append(ls, Length{max(in, 1), out})
		}
	}
	if len(ls) == 0 {
		return nil, errors.New("no row with output")
	}
	return ls, nil
}

// Source gives the draws of one stream of a seed. No stream depends on when another is asked, so one tenant's draws do not depend on
// when another one is served.
func Source(seed uint64, stream int) *rand.Rand { return rand.New(rand.NewPCG(seed, uint64(stream)+1)) }

// Draw takes one of the lengths.
func Draw(r *rand.Rand, ls []Length) Length { return ls[r.IntN(len(ls))] }
