package digest

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	Load()
	os.Exit(m.Run())
}
