//go:build e2e && unix

package context

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/proxy/simmodel"
)

// A book is the task: pages that a tool reads, in legs that the user asks for one after the other.
type book struct {
	pages int
	leg   int // pages for each message of the user
	lines int // of a page, each of some 110 bytes
	tool  string
	call  func(page int) simmodel.Call
	final string
}

const together = 7 // every so many pages two are read in one turn

var pageEnd = regexp.MustCompile(`end of page (\d+)`)

var (
	verbs = []string{"restocked", "counted twice", "sent back", "labelled", "found too few of the", "thrown away", "weighed"}
	goods = []string{"apples", "bicycle lamps", "copper wire", "door handles", "envelopes", "flour", "garden hoses", "honey", "ink"}
	towns = []string{"Aarhus", "Bergen", "Cork", "Dresden", "Eindhoven", "Faro", "Ghent", "Haarlem"}
)

// page is a log as tools print them: words, paths and an id in each line.
func (b book) page(n int) string {
	var s strings.Builder
	for i := range b.lines {
		k := n*b.lines + i
		fmt.Fprintf(&s, "The clerk of aisle %d has %s %s from %s, as order ORD-%05d says, and noted it in stock/%s.json\n",
			k%97, verbs[k%len(verbs)], goods[k/3%len(goods)], towns[k/7%len(towns)], k, goods[k%len(goods)])
	}
	fmt.Fprintf(&s, "end of page %d of the book\n", n)
	return s.String()
}

func (b book) write(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= b.pages; n++ {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("page-%03d.txt", n)), []byte(b.page(n)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// lastRead is the last page whose end stands anywhere in a request, 0 for none.
func lastRead(body []byte) int {
	last := 0
	for _, m := range pageEnd.FindAllSubmatch(body, -1) {
		n, _ := strconv.Atoi(string(m[1]))
		last = max(last, n)
	}
	return last
}

// decide is the model: it goes on after the last page that it sees, and ends its turn with each leg. Side calls, which have
// no such tool, are answered by its default.
func (b book) decide(t simmodel.Turn) *simmodel.Step {
	if !slices.Contains(t.Tools, b.tool) {
		return nil
	}
	n := lastRead(t.Body)
	if n >= b.pages {
		return &simmodel.Step{Say: b.final}
	}
	if n%b.leg == 0 && t.Step > 0 {
		return &simmodel.Step{Say: fmt.Sprintf("Pages up to %d are read, and their orders are noted.", n)}
	}
	s := &simmodel.Step{Say: fmt.Sprintf("Next is page %d.", n+1), Calls: []simmodel.Call{b.call(n + 1)}}
	if n%together == 1 && (n+1)%b.leg != 0 {
		s.Calls = append(s.Calls, b.call(n+2))
	}
	return s
}
