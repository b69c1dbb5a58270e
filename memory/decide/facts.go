package decide

import (
	"slices"
	"strings"
	"time"

	"github.com/trapgate/trapgate/memory/record"
)

// Any is the Predicate of a Fact that Closes every fact of its subject whose object has the words of its Object.
const Any = "*"

// A reader reads the facts of one message.
type reader struct {
	m       *Message
	text    string
	lex     *lexicon
	out     Decision
	times   []dated
	telling bool    // "remember the following:" went before
	all     []token // of the text
	toks    []token // of the sentence
	found   []*pattern
	cut     []span // sentences that ask to forget

	virtual        []token    // of a lead
	may, mayBuffer []*pattern // those that begin with a capture and may match in the sentence; nil: not looked for yet
}

// A hit is a match of a pattern.
type hit struct {
	p          *pattern
	start, end int // tokens
	caps       []capture
	self       string
	being      []token // "i am", "my sister is", where it says what somebody is
}

const maxFacts = 24

func (r *reader) read(times []dated) {
	r.times = times
	markWords(r.all, r.lex)
	for _, own := range ownWords(r.text, r.lex) {
		sentences(r.text, own.from, own.to, func(start, end int) {
			if len(r.out.Facts) < maxFacts {
				r.sentence(start, end)
			}
		})
	}
}

func (r *reader) sentence(start, end int) {
	from, _ := slices.BinarySearchFunc(r.all, start, func(t token, at int) int { return t.start - at })
	to := from
	for to < len(r.all) && r.all[to].end <= end {
		to++
	}
	r.toks, r.may = r.all[from:to:to], nil
	if len(r.toks) < 2 || len(r.toks) > 400 {
		return
	}
	quote := strings.TrimSpace(r.text[start:end])
	question := strings.HasSuffix(quote, "?") || strings.HasSuffix(quote, "？") || strings.HasPrefix(quote, "¿")
	r.relatives()
	hits := r.hits(question)
	if len(hits) == 0 {
		r.tell(quote, question)
		return
	}
	before := len(r.out.Facts)
	for i := range hits {
		if class := hits[i].p.rule.class; class != Told {
			r.fact(&hits[i], r.clause(hits, i, quote))
		}
	}
	specific, asked := len(r.out.Facts) > before, len(r.out.Forget)
	for i := range hits {
		if hits[i].p.rule.class == Told {
			r.told(&hits[i], quote, specific)
		}
	}
	if len(r.out.Forget) > asked { // to keep the request would be to keep what it names
		r.out.Facts = r.out.Facts[:before]
		r.cut = append(r.cut, span{start, end})
	}
}

// left is the text without the sentences that ask to forget something.
func (r *reader) left() string {
	var b strings.Builder
	at := 0
	for _, s := range r.cut {
		b.WriteString(r.text[at:s.from])
		at = s.to
	}
	b.WriteString(r.text[at:])
	return strings.TrimSpace(b.String())
}

// tell is for the sentences of a list that "remember the following:" introduced.
func (r *reader) tell(quote string, question bool) {
	head := r.toks[0].norm
	if strings.HasSuffix(quote, ":") && (head == "remember" || head == "note" || head == "please" || head == "keep" || head == "save") {
		r.telling, r.out.Remember = r.lead(), r.lead() || r.out.Remember
	} else if r.telling && !question {
		r.add(Fact{Predicate: "told", Class: Told, Object: strings.TrimLeft(quote, "-*• "), Quote: quote, Importance: 0.9})
	}
}

func (r *reader) lead() bool {
	return slices.ContainsFunc(r.toks, func(t token) bool {
		return t.norm == "remember" || t.norm == "note" || t.norm == "memory" || t.norm == "mind"
	})
}

// hits are the matches in the sentence that do not overlap, those of earlier rules before those of later ones.
func (r *reader) hits(question bool) (out []hit) {
	m := matcher{text: r.text, toks: r.toks, lex: r.lex}
	var subject []token
	hedged := false
	for i := range r.toks {
		t := &r.toks[i]
		if t.mark && t.norm != "'" && t.norm != "-" {
			hedged = hedged && t.norm == ","
			continue
		}
		opened := r.opened(i)
		begin := opened || r.toks[i-1].mark || r.toks[i-1].is&isConjunction != 0 || r.toks[i-1].norm == "but"
		out = r.at(&m, out, place{from: i, least: i, opened: opened}, question, hedged)
		if !hedged {
			for _, l := range r.leads(out, i, begin, opened, subject) {
				out = r.led(&m, out, l, question)
			}
		}
		subject = r.subjectAt(&m, i, begin, subject)
		if t.is&isHedge != 0 && !(i > 0 && r.toks[i-1].norm == "i" && (t.norm == "said" || t.norm == "told")) {
			hedged = true
		}
	}
	slices.SortStableFunc(out, func(a, b hit) int { return a.start - b.start })
	return out
}

// opened reports whether only words that open a sentence stand before token i: "oh actually", "btw".
func (r *reader) opened(i int) bool {
	if i > 4 {
		return false
	}
	for k := range r.toks[:i] {
		t := &r.toks[k]
		if !t.mark && t.is&(isAdverb|isOpener) == 0 {
			return false
		}
	}
	return true
}

// A place is where patterns are tried: a token of the matcher's, which is shift tokens further on in the sentence.
type place struct {
	from, shift int
	least       int // the first token of the sentence that a match can have
	opened      bool
}

// at tries the patterns that can begin at a place.
func (r *reader) at(m *matcher, out []hit, at place, question, hedged bool) []hit {
	word := m.toks[at.from].norm
	r.found = r.found[:0]
	if m.toks[at.from].is&isFirst != 0 {
		r.found = r.lex.patterns.find(r.found, m, at.from, word)
	}
	if at.opened {
		r.found = r.loose(r.found, m)
	}
	for k, p := range r.found {
		asked := question && (!p.rule.query || p.first && p.rule.predicate == "remember") // "remember when we met?" asks
		if asked || hedged && !p.rule.query || p.first && !at.opened || slices.Contains(r.found[:k], p) {
			continue
		}
		end, ok := m.match(p, at.from)
		if !ok {
			continue
		}
		h := hit{p: p, start: max(at.from+at.shift, at.least), end: end + at.shift, self: m.self, being: m.being(at.from)}
		h.caps = slices.Clone(m.caps)
		for k := range h.caps {
			h.caps[k].from += at.shift
			h.caps[k].to += at.shift
			ok = ok && h.caps[k].from >= at.least
		}
		if ok && h.end > h.start && r.valid(&h) {
			out = admit(out, h)
		}
	}
	return out
}

// loose appends the patterns that begin with a capture, if the sentence has what has to follow it.
func (r *reader) loose(out []*pattern, m *matcher) []*pattern {
	if r.may == nil {
		r.may = append(r.mayBuffer[:0], nil)[:0]
		for i := 1; i < len(r.toks); i++ {
			if t := &r.toks[i]; t.is&isLoose != 0 {
				r.may = r.lex.patterns.loose[t.norm].find(r.may, m, i+1)
			}
		}
		r.mayBuffer = r.may
	}
	return append(out, r.may...)
}

// admit adds a hit unless one of an earlier rule stands over the same words, and takes out those of later rules.
func admit(out []hit, h hit) []hit {
	if h.p.rule.class == Told {
		for i := range out {
			if out[i].p.rule.class == Told {
				return out
			}
		}
		return append(out, h)
	}
	for i := range out {
		o := &out[i]
		if o.p.rule.class == Told || h.end <= o.start || o.end <= h.start {
			continue
		}
		if o.p.rule.order < h.p.rule.order || o.p.rule == h.p.rule && o.end-o.start >= h.end-h.start {
			return out
		}
	}
	out = slices.DeleteFunc(out, func(o hit) bool {
		return o.p.rule.class != Told && h.end > o.start && o.end > h.start
	})
	return append(out, h)
}

// told handles "remember ..." and "forget ...".
func (r *reader) told(h *hit, quote string, specific bool) {
	object, ok := r.object(h)
	if !ok {
		return
	}
	if h.p.rule.predicate == "forget" {
		if object != "" {
			r.out.Forget = append(r.out.Forget, object)
		}
		return
	}
	r.out.Remember = true
	if first := strings.ToLower(object + " "); !specific && !strings.HasPrefix(first, "to ") && !strings.HasPrefix(first, "when ") {
		r.add(Fact{Predicate: "told", Class: Told, Object: object, Quote: quote, Importance: 0.9})
	}
}

// fact turns a hit into facts.
func (r *reader) fact(h *hit, quote string) {
	rule := h.p.rule
	f := Fact{Class: rule.class, Single: rule.single, Quote: quote, Closes: h.p.close, Importance: importance[rule.class]}
	f.Subject, f.Predicate = r.subject(h), r.predicate(h)
	if rule.predicate == amends {
		r.amend(h, f)
		return
	}
	object, ok := r.object(h)
	if !ok && !h.p.close || rule.predicate == "decided" && idle(object) {
		return
	}
	old := r.captured(h, "old")
	if h.p.close || old != "" || r.corrects() {
		f.Class, f.Importance = Correction, 0.9
	}
	if old != "" && !f.Single && rule.predicate != "prefers" {
		r.add(Fact{Subject: f.Subject, Predicate: Any, Object: old, Closes: true, Class: Correction, Quote: quote, Importance: 0.9})
	}
	if rule.predicate == Any {
		r.ended(f, h, object)
		return
	}
	r.validity(&f)
	r.besides(h, f)
	objects := []string{object}
	if rule.list && object != "" {
		objects = r.list(h)
	}
	for _, o := range objects {
		if taste[rule.predicate] && r.vague(o) {
			continue
		}
		g := f
		g.Object = o
		if rule.dated && !g.Closes {
			g.Object += r.iso(h)
		}
		r.refine(h, &g)
		r.add(g)
	}
}

// ended closes whatever has the object, and says so in a fact of its own: "no_longer" "drink coffee".
func (r *reader) ended(f Fact, h *hit, object string) {
	if object == "" {
		return
	}
	r.validity(&f)
	verb := r.captured(h, "verb")
	for _, o := range r.list(h) {
		g := f
		g.Object = o
		r.add(g)
		g.Predicate, g.Closes, g.To = "no_longer", false, time.Time{}
		g.Object = strings.TrimSpace(verb + " " + o)
		r.add(g)
	}
}

var importance = map[Class]float32{Identity: 0.8, Preference: 0.6, Settled: 0.7, Deadline: 0.7, Correction: 0.9, Told: 0.9}

func (r *reader) corrects() bool {
	return slices.ContainsFunc(r.toks, func(t token) bool {
		return t.norm == "actually" || t.norm == "correction" || t.norm == "instead" || t.norm == "longer"
	})
}

// validity sets when a fact holds: from or until when it was said, or the one date that the sentence gives.
func (r *reader) validity(f *Fact) {
	f.From = r.m.At
	if f.Closes {
		f.To = r.m.At
	}
	var found *record.Interval
	n := 0
	for i := range r.times {
		if r.times[i].start >= r.toks[0].start && r.times[i].end <= r.toks[len(r.toks)-1].end {
			found = &r.times[i].Interval
			n++
		}
	}
	switch base, _, _ := strings.Cut(f.Predicate, ":"); base {
	case "lives_in", "works_at", "job", "status", "uses", Any, "no_longer", "car", "diet":
		if n == 1 && !found.From.IsZero() {
			f.From = found.From
			if f.Closes {
				f.To = found.From
			}
		}
	}
}

func (r *reader) add(f Fact) {
	if f.Subject == "" {
		f.Subject = r.speaker()
	}
	if f.From.IsZero() {
		f.From = r.m.At
	}
	if f.Object == "" && !f.Closes || strings.Contains(f.Object, Placeholder) || len(r.out.Facts) >= maxFacts {
		return
	}
	for i := range r.out.Facts {
		o := &r.out.Facts[i]
		if o.Subject == f.Subject && o.Predicate == f.Predicate && o.Object == f.Object && o.Closes == f.Closes {
			return
		}
	}
	r.out.Facts = append(r.out.Facts, f)
}

func (r *reader) speaker() string {
	if r.m.Speaker != "" {
		return strings.ToLower(r.m.Speaker)
	}
	return "user"
}
