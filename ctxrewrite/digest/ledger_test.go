package digest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/ctxrewrite/digest"
	"github.com/trapgate/trapgate/ctxrewrite/tokens"
	"github.com/trapgate/trapgate/internal/wire"
)

// reads are n reads of different files, with an order and a ticket in each result.
func reads(n int) []turn {
	turns := []turn{{role: "user", text: "Go through the orders."}}
	for i := range n {
		turns = append(turns, turn{
			tool: "read", args: fmt.Sprintf(`{"path":%q}`, readPath(i)),
			result: fmt.Sprintf("Order #%s and ticket %s were found at https://h.example/%d\n", readOrder(i), readTicket(i), i) + strings.Repeat("plain words follow here ", 50),
		})
	}
	return turns
}

func readPath(i int) string   { return fmt.Sprintf("/srv/app/mod%d/handler_%d.py", i%17, i*7919%1000) }
func readOrder(i int) string  { return fmt.Sprintf("W%07d", i*7919) }
func readTicket(i int) string { return fmt.Sprintf("TCK-%05d", i*31) }

// has reports whether a list of files, grouped by directory, has a path.
func has(files, path string) bool {
	k := strings.LastIndexByte(path, '/') + 1
	_, rest, _ := strings.Cut(files, path[:k])
	if strings.HasPrefix(rest, "{") {
		rest, _, _ = strings.Cut(rest, "}")
	} else {
		rest, _, _ = strings.Cut(rest, ",")
	}
	return slices.ContainsFunc(strings.Split(strings.Trim(rest, "{}"), ", "), func(name string) bool { return strings.HasPrefix(name, path[k:]) })
}

// Facts and files have room of their own in every window. What leaves the text is counted where it stood, and the lists that the
// handle there leads to have it.
func TestLedgerKeepsOrSays(t *testing.T) {
	for _, c := range []struct{ window, turns, ids, paths int }{{32768 - 4096, 200, 392, 190}, {7500, 40, 70, 30}, {4000, 200, 30, 15}} {
		v := view(t, wire.Chat, body(wire.Chat, reads(c.turns)))
		opt := digest.ForWindow(c.window)
		var d *digest.Digest
		lists, before := map[string]string{}, []string(nil)
		for from := 1; from < len(v.Msgs); from += 40 {
			var off []digest.Offload
			d, off = digest.Extend(d, v, from, from+40, nil, &opt)
			for _, o := range off {
				if o.Kind == digest.Ledger {
					lists[o.Handle] = string(o.Content)
				}
			}
			now := orders(section(d, "facts"), c.turns)
			if !isTail(before, now) {
				t.Errorf("%d: the order of the facts changed", c.window)
			}
			before = now
		}
		facts, files := section(d, "facts"), section(d, "files")
		goneFacts, goneFiles := chain(facts, lists), chain(files, lists)
		ids, paths := 0, 0
		for i := range c.turns {
			for _, id := range []string{readOrder(i), readTicket(i)} {
				if strings.Contains(facts, id) {
					ids++
				} else if !strings.Contains(goneFacts, id) {
					t.Errorf("%d: %s is nowhere", c.window, id)
				}
			}
			if has(files, readPath(i)) {
				paths++
			} else if !strings.Contains(goneFiles, readPath(i)+"\n") {
				t.Errorf("%d: %s is nowhere", c.window, readPath(i))
			}
		}
		t.Logf("window %d: %d of %d ids, %d of %d paths; tokens: %d in all, facts %d, files %d", c.window, ids, 2*c.turns, paths, c.turns, d.Tokens(),
			tokens.Count(facts), tokens.Count(files))
		if ids < c.ids || paths < c.paths || section(d, "work") == "" {
			t.Errorf("%d: %d ids, %d paths\n%s", c.window, ids, paths, plain(t, d))
		}
		v.Release()
	}
}

// orders are those in the text, in their order there.
func orders(facts string, n int) (all []string) {
	for i := range n {
		if strings.Contains(facts, readOrder(i)) {
			all = append(all, readOrder(i))
		}
	}
	slices.SortFunc(all, func(a, b string) int { return strings.Index(facts, a) - strings.Index(facts, b) })
	return all
}

// isTail reports whether now has an end of before, and new ones behind it only.
func isTail(before, now []string) bool {
	for len(before) > 0 && (len(now) == 0 || before[0] != now[0]) {
		before = before[1:]
	}
	return len(before) <= len(now) && slices.Equal(before, now[:len(before)])
}

// chain is all that the handle at the end of a section leads to.
func chain(section string, lists map[string]string) (all string) {
	_, handle, ok := strings.Cut(section, " older: ")
	for ok {
		list := lists[strings.TrimSpace(handle)]
		all += list
		handle, _, _ = strings.Cut(list, "\n")
		handle, ok = strings.CutPrefix(handle, "older: ")
	}
	return all
}
