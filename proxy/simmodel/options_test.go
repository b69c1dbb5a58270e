package simmodel

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLoadOptions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sim.json")
	write := func(s string) {
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"slots":4,"prefill_rate":5000,"overhead":"150ms","cache":{"ttl":"5m"},"limits":{"rpm":60},"script":[{"match":"x","steps":[{"say":"y"},{"calls":[{"tool":"shell","args":"ls"}]}]}],"faults":[{"fault":"cut=3","p":0.1}]}`)
	o, err := LoadOptions(file)
	if err != nil || o.Slots != 4 || time.Duration(o.Overhead) != 150*time.Millisecond || time.Duration(o.Cache.TTL) != 5*time.Minute || len(o.Script[0].Steps) != 2 {
		t.Errorf("%+v %v", o, err)
	}
	for text, want := range map[string]string{
		`{"slotz":1}`:                         "slotz",
		`{"overhead":"soon"}`:                 "invalid duration",
		`{"slots":-1,"decode_rate":-2}`:       "decode_rate",
		`{"faults":[{"fault":"boom","p":2}]}`: "unknown fault",
	} {
		write(text)
		if _, err := LoadOptions(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := New(Options{Slots: -1, TimeScale: -1}); err == nil || strings.Count(err.Error(), "simmodel:") != 2 {
		t.Error("all problems come at once:", err)
	}
}

// Background responses are polled for, can be cancelled, and end with the model.
func TestBackground(t *testing.T) {
	m, err := New(Options{DecodeRate: 100})
	if err != nil {
		t.Fatal(err)
	}
	start := func(text string) string {
		w := call(m, "POST", "/v1/responses", `{"model":"m","background":true,"input":"`+text+`"}`)
		v := decode(t, w.Body.Bytes())
		if v["status"] != "queued" {
			t.Fatal(w.Body)
		}
		return "/v1/responses/" + v["id"].(string)
	}
	status := func(path string) any { return decode(t, call(m, "GET", path, "").Body.Bytes())["status"] }
	a, b := start("[[sim: say short]]"), start("[[sim: tokens 9000]]")
	eventually(t, "completed", func() bool { return status(a) == "completed" })
	if got := decode(t, call(m, "POST", b+"/cancel", "").Body.Bytes())["status"]; got != "cancelled" {
		t.Error(got)
	}
	eventually(t, "slot free", func() bool { return m.Stats().Running == 0 })
	if status(b) != "cancelled" {
		t.Error(status(b))
	}
	start("[[sim: tokens 9000]] again")
	m.Close()
	if m.Stats().Running != 0 {
		t.Error("it outlives the model")
	}
}
