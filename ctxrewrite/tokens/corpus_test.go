package tokens

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// kind is one kind of data: documents of which the even ones are fitted on and the odd ones reported, or the other way round.
type kind struct {
	name   string
	weight float64 // in the fit
	docs   []string
	runes  bool // a good part is not ASCII
}

const (
	pieceBytes = 4 << 10
	kindPieces = 120
)

// moreKinds are those that a fit is told of.
var moreKinds = func(testing.TB) []kind { return nil }

// corpus is all that the estimator is fitted on and judged by. What agents send is there only beside ../shared/data.
func corpus(t testing.TB) []kind {
	kinds := []kind{
		{name: "prose", weight: 2, docs: files(t, "testdata/Isaac.Newton-Opticks.txt", "compress/testdata/gettysburg.txt", "runtime/*.md")},
		{name: "prose as JSON", weight: 1, docs: quoted(files(t, "testdata/Isaac.Newton-Opticks.txt", "runtime/*.md"))},
		{name: "web as JSON", weight: 1, docs: quoted(files(t, "cmd/vendor/github.com/google/pprof/internal/driver/html/*"))},
		{name: "go", weight: 1, docs: files(t, "net/http/*.go", "strconv/*.go", "runtime/m*.go")},
		{name: "go as JSON", weight: 2, docs: quoted(files(t, "encoding/json/*.go", "go/types/s*.go", "os/*.go"))},
		{name: "assembly, C", weight: 1, docs: files(t, "runtime/*_amd64.s", "runtime/cgo/*.c", "crypto/internal/fips140/aes/*.s")},
		{name: "web", weight: 1, docs: files(t, "cmd/vendor/github.com/google/pprof/internal/driver/html/*", "cmd/trace/static/*", "internal/trace/traceviewer/static/*.js")},
		{name: "python, shell", weight: 1, docs: files(t, "runtime/*.py", "*.bash", "cmd/*/*.bash", "cmd/*/*.sh", "syscall/*.pl", "syscall/*.sh")},
		{name: "scripts as JSON", weight: 1, docs: quoted(files(t, "cmd/go/testdata/script/mod_*.txt"))},
		{name: "JSON data", weight: 1, docs: files(t, "cmd/internal/test2json/testdata/*.json", "crypto/internal/fips140test/*.json", "cmd/vendor/golang.org/x/arch/arm64/arm64asm/*.json")},
		{name: "lock files", weight: 1, docs: append(files(t, "cmd/vendor/golang.org/x/telemetry/package-lock.json", "cmd/go.sum", "go.sum"), read(t, "../../go.sum"))},
		{name: "API lists", weight: 1, docs: files(t, "../api/go1.*.txt")},
	}
	names, _ := filepath.Glob("testdata/languages/*.txt")
	for _, name := range names {
		text := read(t, name)
		language := strings.TrimSuffix(filepath.Base(name), ".txt")
		kinds = append(kinds, kind{language, 0.8, strings.SplitAfter(text, "\n"), 10*utf8.RuneCountInString(text) < 9*len(text)})
		if !ascii(text) {
			kinds = append(kinds, kind{name: language + `, \u`, weight: 0.2, docs: escaped(strings.SplitAfter(text, "\n"))})
		}
	}
	kinds = append(kinds, moreKinds(t)...)
	kinds = append(kinds, generated()...)
	return append(kinds, agents(t)...)
}

// agents is what agents send: each message, body or turn.
func agents(t testing.TB) []kind {
	dir := "../../../shared/data"
	if _, err := os.Stat(dir); err != nil {
		t.Log("SKIP: ../shared/data is absent: estimates of what agents send are not checked")
		return nil
	}
	var session struct {
		Tools json.RawMessage
		Raw   []string
	}
	var dialogues []struct{ Messages []json.RawMessage }
	var swe struct{ Messages []json.RawMessage }
	var talks []struct {
		Sessions []struct{ Turns []json.RawMessage }
	}
	for name, into := range map[string]any{
		"tau_session_dev.json": &session, "tau_airline_dev.json": &dialogues, "swe_agent_marshmallow.json": &swe, "locomo_dev.json": &talks,
	} {
		if err := json.Unmarshal([]byte(read(t, filepath.Join(dir, name))), into); err != nil {
			t.Fatal(err)
		}
	}
	airline := kind{name: "tau airline", weight: 3}
	for _, d := range dialogues {
		airline.docs = append(airline.docs, plain(d.Messages)...)
	}
	locomo := kind{name: "locomo", weight: 3}
	for _, talk := range talks {
		for _, s := range talk.Sessions {
			locomo.docs = append(locomo.docs, strings.Join(plain(s.Turns), ","))
		}
	}
	captured := kind{name: "captured", weight: 4}
	bodies, _ := filepath.Glob(filepath.Join(dir, "captured/*.json"))
	for _, name := range bodies {
		captured.docs = append(captured.docs, read(t, name))
	}
	return []kind{
		{name: "tau session", weight: 3, docs: append(session.Raw, string(session.Tools))},
		airline,
		{name: "swe agent", weight: 3, docs: plain(swe.Messages)},
		captured,
		locomo,
	}
}

// generated is data that no file has enough of, always the same.
func generated() []kind {
	r := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	lines := map[string]func() string{
		"base64":      func() string { return base64.StdEncoding.EncodeToString(random(600)) },
		"base64, url": func() string { return base64.RawURLEncoding.EncodeToString(random(30)) + "\n" },
		"hex":         func() string { return hex.EncodeToString(random(32)) + "\n" },
		"hex dump":    func() string { return hex.Dump(random(64)) },
		"uuids": func() string {
			b := random(16)
			return fmt.Sprintf(`{"id":"%x-%x-%x-%x-%x","call_id":"call_%s"},`, b[:4], b[4:6], b[6:8], b[8:10], b[10:], base64.RawURLEncoding.EncodeToString(random(18)))
		},
		"numbers": func() string {
			return fmt.Sprintf("%d,%.4f,%d,%.2e\n", r.IntN(1e6), r.Float64()*1000, r.Uint64(), r.NormFloat64())
		},
		"log": func() string {
			return fmt.Sprintf("2026-%02d-%02dT%02d:%02d:%02d.%03dZ INFO  [worker-%d] request id=%x took %dms status=%d path=/api/v1/items/%d\\n",
				1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(1000), r.IntN(16), random(6), r.IntN(900), 200+r.IntN(300), r.IntN(1e5))
		},
		"table": func() string {
			return fmt.Sprintf("| item %-12d | %8.2f | %-10s |\n|-----------------|----------|------------|\n", r.IntN(999), r.Float64()*1e4, "ok")
		},
		"npm lock": func() string {
			return fmt.Sprintf("    \"node_modules/pkg-%d\": {\n      \"version\": \"%d.%d.%d\",\n      \"resolved\": \"https://registry.npmjs.org/pkg-%d/-/pkg-%d-1.0.%d.tgz\",\n      \"integrity\": \"sha512-%s\",\n      \"license\": \"MIT\"\n    },\n",
				r.IntN(99), r.IntN(9), r.IntN(20), r.IntN(20), r.IntN(99), r.IntN(99), r.IntN(9), base64.StdEncoding.EncodeToString(random(64)))
		},
		"record": func() string {
			return fmt.Sprintf(`{"reservation_id":"%s","flight_number":"HAT%03d","price":%d,"date":"2024-05-%02d","status":"available","cabin":"basic_economy"}, `,
				strings.ToUpper(base64.RawURLEncoding.EncodeToString(random(4))), r.IntN(300), r.IntN(900), 1+r.IntN(28))
		},
	}
	var kinds []kind
	for _, name := range slices.Sorted(maps.Keys(lines)) {
		k, line := kind{name: name, weight: 0.7}, lines[name]
		for range 24 {
			var doc strings.Builder
			for doc.Len() < 2000 {
				doc.WriteString(line())
			}
			k.docs = append(k.docs, doc.String())
		}
		kinds = append(kinds, k)
	}
	return kinds
}

var goSource = sync.OnceValue(func() string {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return ""
	}
	return filepath.Join(strings.TrimSpace(string(root)), "src")
})

// files reads what globs match under GOROOT/src, in pieces, as many as a kind may have.
func files(t testing.TB, globs ...string) (out []string) {
	for _, glob := range globs {
		out = append(out, filesAt(t, kindPieces/len(globs), filepath.Join(goSource(), glob))...)
	}
	if len(out) == 0 {
		t.Skip("SKIP: Go's source tree is absent: it has nothing like ", globs)
	}
	return out
}

// filesAt reads pieces of what a glob matches, evenly over all of it.
func filesAt(t testing.TB, n int, glob string) (out []string) {
	names, _ := filepath.Glob(glob)
	var pieces []string
	for _, name := range names {
		if info, err := os.Stat(name); err != nil || info.IsDir() {
			continue
		}
		if text := read(t, name); utf8.ValidString(text) {
			pieces = append(pieces, cut(text)...)
		}
	}
	for i := range min(n, len(pieces)) {
		out = append(out, pieces[i*len(pieces)/min(n, len(pieces))])
	}
	return out
}

// cut makes pieces of a text, whole runes in each.
func cut(text string) (pieces []string) {
	for len(text) > pieceBytes {
		n := pieceBytes
		for !utf8.RuneStart(text[n]) {
			n--
		}
		pieces = append(pieces, text[:n])
		text = text[n:]
	}
	return append(pieces, text)
}

func read(t testing.TB, name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func plain(raw []json.RawMessage) (out []string) {
	for _, m := range raw {
		out = append(out, string(m))
	}
	return out
}

// quoted writes texts as JSON strings.
func quoted(texts []string) (out []string) {
	for _, text := range texts {
		var b strings.Builder
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if enc.Encode(text) == nil {
			out = append(out, b.String())
		}
	}
	return out
}

// escaped writes texts as JSON strings of ASCII only, as Python's json does.
func escaped(texts []string) (out []string) {
	for _, text := range quoted(texts) {
		var b strings.Builder
		for _, r := range text {
			switch {
			case r < 0x80:
				b.WriteRune(r)
			case r > 0xffff:
				fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
			default:
				fmt.Fprintf(&b, `\u%04x`, r)
			}
		}
		out = append(out, b.String())
	}
	return out
}

func ascii(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r >= 0x80 }) < 0
}
