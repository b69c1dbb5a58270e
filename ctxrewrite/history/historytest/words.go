package historytest

import (
	"fmt"
	"strings"
)

// A text is what somebody says, and what was planted in it.
type text struct {
	s         string
	rules, id []string
}

var phrases = []string{
	"The build fails in the second stage.", "I looked at the log again.", "Größe und Länge stimmen nicht überein.",
	"請檢查設定檔。", "Here is what I found: \"nothing\" under C:\\temp\\new.", "That worked 🎉 on the first try.",
	"A table follows:\r\n| a | b |\r\n|---|---|\r\n| 1 | 2 |", "\tif err != nil {\n\t\treturn err\n\t}",
	"See also the notes of last week.", "Three tests are still red.", "The customer asked twice about it.",
	"<result>ok</result> & nothing else", "half an emoji: " + string(halfEmoji) + " and on", "zero\u0000byte and \u007f",
}

var ruleForms = []string{
	"You must not touch account %s without approval.", "Never delete table T%s.", "Always quote ticket %s in the answer.",
	"Only supervisor %s may waive the fee.", "Do not send mail to group %s.", "Every report must name cost centre %s.",
}

var idForms = []string{
	"ZQ-%s", "/srv/app/module%s/main.go", "https://tracker.example/browse/OPS-%s", "order #W%s", "commit 9f%sab41c07e",
}

// speak is a text of some sentences; one of them may be a rule, one an id.
func (g *generator) speak(sentences int) text {
	var t text
	var b strings.Builder
	for range sentences {
		b.WriteString(phrases[g.r.IntN(len(phrases))])
		b.WriteByte(" \n"[g.r.IntN(2)])
	}
	if g.one(4) {
		rule := fmt.Sprintf(ruleForms[g.r.IntN(len(ruleForms))], g.number())
		t.rules = append(t.rules, rule)
		b.WriteString(rule + " ")
	}
	if g.one(3) {
		id := fmt.Sprintf(idForms[g.r.IntN(len(idForms))], g.number())
		t.id = append(t.id, id)
		fmt.Fprintf(&b, "It is %s now. ", id)
	}
	b.WriteString(phrases[g.r.IntN(len(phrases))])
	t.s = b.String()
	return t
}

// output is what a tool gave: sentences, or an error, or lines without end.
func (g *generator) output() text {
	switch {
	case g.opt.Huge > 0 && (!g.huge || g.one(20)):
		g.huge = true
		t := g.speak(2)
		var b strings.Builder
		for i := 0; b.Len() < g.opt.Huge; i++ {
			fmt.Fprintf(&b, "%06d INFO worker-%d finished job %x in %d ms\n", i, i%7, g.r.Uint32(), g.r.IntN(5000))
		}
		t.s = b.String() + t.s
		return t
	case g.one(8):
		return text{}
	}
	return g.speak(1 + g.r.IntN(6))
}

// number is a token that occurs once in a history.
func (g *generator) number() string {
	g.serial++
	return fmt.Sprintf("%X%05d", g.r.IntN(1<<16)|1<<15, g.serial)
}

// one is true once in n times.
func (g *generator) one(n int) bool { return g.r.IntN(n) == 0 }

// pick is one of the values.
func pick[T any](g *generator, values ...T) T { return values[g.r.IntN(len(values))] }
