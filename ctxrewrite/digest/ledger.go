package digest

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/trapgate/trapgate/ctxrewrite/tokens"
)

// A fact has a phrase of its own, or stands in that of the one before it, or has been shortened to its value.
type fact struct {
	item         // the phrase, empty for the other two; the cost of what stands in the text
	Value string // raw
	Class class
	Form  form   `json:",omitempty"`
	Label string `json:",omitempty"` // raw: what a short one is listed under
}

// A form is how a fact is spelled.
type form uint8

const (
	asPhrase form = iota
	inPhrase      // the phrase of the last fact before that has one
	asValue       // the value, in a list of values with the same label
)

// maxFacts bounds the work on one span; a budget takes far fewer.
const maxFacts = 4096

// addFact puts a value into the ledger, unless it is there.
func (c *collector) addFact(raw []byte, v value, k class) {
	val := raw[v.From:v.To]
	facts := c.state.Facts
	if len(facts) >= maxFacts {
		return
	}
	for i := range facts {
		if facts[i].Value == string(val) {
			return
		}
	}
	host := len(facts) - 1
	for host > 0 && facts[host].Form == inPhrase {
		host--
	}
	if host >= 0 && facts[host].Form == asPhrase && facts[host].Class >= k && strings.Contains(facts[host].Raw, string(val)) {
		if k > plainValue {
			c.state.Facts = append(facts, fact{Value: string(val), Class: k, Form: inPhrase})
		}
		return
	}
	most := 12
	if k == plainValue {
		most = 5
	}
	c.state.Facts = append(facts, fact{item: newItem(oneLine(nil, phraseOf(raw, v, most))), Value: string(val), Class: k})
}

// fitFacts brings the ledger into its budget. Plain values may use a twentieth of it. Where phrases take more than it,
// or all of the ledger more than twice as much, phrases of the lowest class, and of these the oldest, are shortened to their values;
// then values leave the text in the same order. first is the first message evicted.
func (c *collector) fitFacts(first int) {
	s, budget := &c.state, c.opt.FactBudget
	if budget == 0 {
		s.Facts = nil
		return
	}
	var lost []string
	total := 0
	for i := range s.Facts {
		if s.Facts[i].Class == plainValue {
			total += s.Facts[i].Cost
		}
	}
	s.dropFacts(plainValue, asPhrase, total-budget/20, &lost)
	r := room{budget: budget}
	for i := range s.Facts {
		r.total += s.Facts[i].Cost
		if s.Facts[i].Form == asPhrase {
			r.phrases += s.Facts[i].Cost
		}
	}
	for k := toolValue; k <= userText; k++ {
		s.shorten(k, &r)
	}
	for k := toolValue; k <= userText; k++ {
		r.total -= s.dropFacts(k, asValue, r.total-2*budget, &lost)
	}
	c.leave(&s.LostFacts, lost, first)
}

// dropFacts takes facts of a class and form out, the oldest first, until so many tokens are free, and returns how many are.
func (s *state) dropFacts(k class, f form, over int, lost *[]string) (free int) {
	kept := s.Facts[:0]
	for _, x := range s.Facts {
		if x.Class != k || x.Form != f || free >= over {
			kept = append(kept, x)
			continue
		}
		free += x.Cost
		line := x.Raw
		if f == asValue {
			line = strings.TrimPrefix(x.Label+": "+x.Value, ": ")
		}
		*lost = append(*lost, line)
	}
	s.Facts = kept
	return free
}

// A room is what the ledger takes, in tokens.
type room struct{ phrases, total, budget int }

// tight reports whether a phrase is to be shortened: a quarter of the budget stays theirs.
func (r *room) tight() bool {
	return r.phrases > r.budget || r.total > 2*r.budget && r.phrases > r.budget/4
}

// shorten makes phrases of a class into values, the oldest first, until there is room.
func (s *state) shorten(k class, r *room) {
	labels := map[string]bool{}
	for i := range s.Facts {
		if s.Facts[i].Form == asValue {
			labels[s.Facts[i].Label] = true
		}
	}
	for i := 0; i < len(s.Facts) && r.tight(); i++ {
		if s.Facts[i].Class != k || s.Facts[i].Form != asPhrase {
			continue
		}
		text := s.Facts[i].Raw
		r.phrases -= s.Facts[i].Cost
		r.total -= s.Facts[i].Cost
		for n := i; n == i || n < len(s.Facts) && s.Facts[n].Form == inPhrase; n++ {
			f := &s.Facts[n]
			f.Form, f.Raw, f.Label = asValue, "", labelOf(text, f.Value)
			f.Cost = tokens.Estimate(unescape([]byte(f.Value))) + 1
			if !labels[f.Label] {
				labels[f.Label] = true
				f.Cost += tokens.Estimate(unescape([]byte(f.Label))) + 3
			}
			r.total += f.Cost
		}
	}
}

// labelOf is what a phrase calls a value: at most two words before it, without those of grammar.
func labelOf(text, value string) string {
	before, _, _ := strings.Cut(text, value)
	words := strings.Fields(before)
	var label []string
	for i := len(words) - 1; i >= 0 && len(label) < 2; i-- {
		w := strings.Trim(words[i], ":=#,.-*`'(")
		switch {
		case w == "" || connecting[strings.ToLower(w)]:
			if len(label) > 0 {
				return label[0]
			}
		case len(w) > 24 || strings.IndexFunc(w, func(r rune) bool { return r < 0x80 && tab[r]&(lower|upper|digit) == 0 && r != '_' && r != '-' }) >= 0:
			i = 0
		default:
			label = slices.Insert(label, 0, w)
		}
	}
	return strings.Join(label, " ")
}

var connecting = set("a an the and or of is are was were be to in on at for with by as has have its my your their this that no")

// ledger are the lines of the facts: short ones by label in the order of the first of each, then the phrases, then what is gone.
func (s *state) ledger() []string {
	var labels []string
	values := map[string][]string{}
	var phrases []string
	for i := range s.Facts {
		switch f := &s.Facts[i]; f.Form {
		case asPhrase:
			phrases = append(phrases, f.Raw)
		case asValue:
			if values[f.Label] == nil {
				labels = append(labels, f.Label)
			}
			values[f.Label] = append(values[f.Label], f.Value)
		}
	}
	var lines []string
	for _, l := range labels {
		lines = append(lines, strings.TrimPrefix(l+": "+strings.Join(values[l], ", "), ": "))
	}
	lines = append(lines, phrases...)
	if l := s.LostFacts.line(); l != "" {
		lines = append(lines, l)
	}
	return lines
}

// A loss is what has left a section: how many lines, and the handle of the list that has them or leads to them.
type loss struct {
	Count  int    `json:",omitempty"`
	Handle string `json:",omitempty"`
}

// leave offloads lines (escaped content) as a list that begins with the handle of the one before it.
func (c *collector) leave(l *loss, lines []string, first int) {
	if len(lines) == 0 {
		return
	}
	var list bytes.Buffer
	if l.Handle != "" {
		list.WriteString("older: " + l.Handle + "\n")
	}
	for _, line := range lines {
		list.Write(unescape([]byte(line)))
		list.WriteByte('\n')
	}
	l.Count += len(lines)
	l.Handle = c.offload(list.Bytes(), first, Ledger)
}

// line says in a section what has left it.
func (l *loss) line() string {
	if l.Count == 0 {
		return ""
	}
	return "and " + strconv.Itoa(l.Count) + " older: " + l.Handle
}
