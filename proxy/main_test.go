package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

// TestMain looks for goroutines that the tests have left, and gives the scripts of testdata/script their commands: the
// trapgate under test, and agents of our own.
func TestMain(m *testing.M) {
	commands := map[string]func(){
		"trapgate": main,
		"fetch":    fetchMain,
		"agent":    agentMain,
		"waiter":   waiterMain,
		"talker":   talkerMain,
		"teller":   tellerMain,
	}
	for _, known := range [...]string{"codex", "opencode", "claude", "aider", "qwen", "show"} {
		commands[known] = showMain
	}
	testscript.Main(leakChecked{m}, commands)
}

// leakChecked is what goleak.VerifyTestMain does, for a testscript.Main around it.
type leakChecked struct{ m *testing.M }

func (l leakChecked) Run() int {
	code := l.m.Run()
	// fasthttp's worker pool looks once a second whether it has been stopped.
	err := goleak.Find(goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
	if err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}
