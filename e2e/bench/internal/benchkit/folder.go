package benchkit

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/trapgate/trapgate/e2e/engine/rig"
)

// Folder makes the folder for a bench's results: out where it is given, else a new temporary one named after the bench if the run
// is not to be kept, else the repository's e2e/bench/results.
func Folder(bench, out string, temporary bool) (string, error) {
	switch {
	case out != "":
	case temporary:
		return os.MkdirTemp("", "trapgate-"+bench+"-")
	default:
		root, err := rig.Root()
		if err != nil {
			return "", err
		}
		out = filepath.Join(root, "e2e", "bench", "results")
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return "", fmt.Errorf("%s: %w", bench, err)
	}
	return out, nil
}
