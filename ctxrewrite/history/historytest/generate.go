package historytest

import (
	"bytes"
	"math/rand/v2"

	"github.com/trapgate/trapgate/ctxrewrite/history"
	"github.com/trapgate/trapgate/internal/wire"
)

// Options say what Generate makes. The zero value gives histories of any length under history.Plain.
type Options struct {
	Profile  *history.Profile // what the body is valid under
	Messages int              // about how many messages; 0: 3 to 60
	NoCalls  bool             // only talk
	Huge     int              // a tool result, when there are any, has at least this many bytes of text
}

// A Planted is a text that occurs once in a generated body.
type Planted struct {
	Message int // index in View.Msgs; -1: in the member `system` or `instructions`
	Text    string
}

// A History is a generated request.
type History struct {
	Dialect wire.Dialect
	Body    []byte
	Task    int       // index of the task message, the last of the user messages in front
	Pins    []Planted // rules (must, never, ...) in texts of system, developer and user messages
	Decoys  []Planted // the same sentences in texts of the assistant and of tools, where they are nobody's rules
	IDs     []Planted // codes, paths and addresses in texts of anybody
}

// Lost returns those of planted that do not occur in body, whatever its spelling.
func Lost(body []byte, planted []Planted) []Planted {
	all := wire.Unquote(nil, append(append([]byte{'"'}, body...), '"'))
	var lost []Planted
	for _, p := range planted {
		if !bytes.Contains(all, []byte(p.Text)) {
			lost = append(lost, p)
		}
	}
	return lost
}

// Generate makes a random request of dialect d (chat, responses or messages) that wire reads and that has no fault under
// the profile. The same state of r gives the same bytes.
//
// What real agents do is in it: several and late system messages, a user message about the environment before the task,
// parallel calls, errors, thinking and reasoning, parts, images, custom tools, empty contents, ids that return in each
// turn, calls still in flight, cache marks, unknown members, and all spellings of JSON.
func Generate(r *rand.Rand, d wire.Dialect, opt Options) *History {
	g := &generator{r: r, d: d, p: opt.Profile, opt: opt, h: &History{Dialect: d}}
	if g.p == nil {
		g.p = history.Plain
	}
	g.how = pick(g, compact, compact, ascii, wild)
	g.thinks, g.parts, g.extras = g.one(2), g.one(3), g.one(3)
	g.ids = g.idStyle()
	g.converse()
	e := encoder{r: r, how: g.how}
	e.value(g.body())
	g.h.Body = e.buf
	return g.h
}

// A generator makes one history. It first decides who speaks, then writes messages.
type generator struct {
	r   *rand.Rand
	d   wire.Dialect
	p   *history.Profile
	opt Options
	h   *History

	how           spelling
	thinks        bool // the model thinks aloud
	parts         bool // contents are often arrays of parts
	extras        bool // unknown members are everywhere
	ids           func(turn, k int) string
	huge          bool
	serial, turns int
	prev, talk    speaker // the last one, and the last one apart from the system
	system        []text  // for the member of its own
	messages      []any   // as they go into the body
}

// A speaker is who speaks in a turn.
type speaker uint8

const (
	nobody speaker = iota
	system
	user
	assistant
	caller // the assistant with calls, and the results
)

// converse decides on the turns, and writes each.
func (g *generator) converse() {
	n := g.opt.Messages
	if n == 0 {
		n = 3 + g.r.IntN(58)
	}
	g.beginning()
	for len(g.messages) < n {
		g.step()
	}
	switch {
	case g.p.LastUser && g.talk == assistant:
		g.say(user)
	case !g.p.Closed && !g.opt.NoCalls && g.may(caller) && g.one(4):
		g.calls(true)
	}
}

func (g *generator) beginning() {
	if g.d == wire.Responses && g.one(4) {
		g.add(object{{"type", "additional_tools"}, {"role", "developer"}, {"tools", g.tools()}})
	}
	for range g.systems() {
		g.say(system)
	}
	if !g.p.FirstUser && g.one(8) {
		g.say(assistant)
	}
	if g.talk == nobody && !g.p.Alternate && g.one(2) {
		g.write(user, text{s: "<environment_context>\n  <cwd>/srv/app</cwd>\n  <shell>bash</shell>\n</environment_context>"})
	}
	g.say(user)
	g.h.Task = len(g.messages) - 1
	if g.d == wire.Responses && g.one(8) { // what the provider made of what was said before
		g.add(object{{"type", "compaction"}, {"encrypted_content", "gAAAA" + g.number()}})
	}
}

// systems is how many messages with system text stand in front.
func (g *generator) systems() int {
	if g.d == wire.Messages || g.d == wire.Responses && g.one(2) { // in a member of its own
		g.system = append(g.system, g.speak(3))
		if g.d == wire.Messages && g.one(2) {
			g.system = append(g.system, g.speak(2))
		}
	}
	switch {
	case g.p.OneSystem && len(g.system) > 0, g.d == wire.Messages:
		return 0
	case g.p.OneSystem:
		return g.r.IntN(2)
	}
	return g.r.IntN(4)
}

// step takes the next turn.
func (g *generator) step() {
	who := pick(g, caller, caller, caller, caller, caller, assistant, assistant, user, user, system)
	switch {
	case !g.may(who):
	case who == caller:
		g.calls(false)
	default:
		g.say(who)
	}
}

// may reports whether the profile lets who speak now.
func (g *generator) may(who speaker) bool {
	p := g.p
	switch who {
	case caller:
		apart := g.d == wire.Chat && p.CallAfterUser && g.talk != user && g.talk != caller
		return !g.opt.NoCalls && !apart
	case assistant:
		return !p.Alternate || g.talk != assistant
	case user:
		return !(p.Alternate && g.talk == user) && !(p.AssistantAfterResult && g.prev == caller)
	case system:
		switch {
		case p.OneSystem, p.SystemFirst, p.NoSystem && g.d == wire.Messages,
			p.NoSystemAfterAssistant && g.prev == assistant, p.AssistantAfterResult && g.prev == caller:
			return false
		}
	}
	return true
}

// spoke notes who spoke.
func (g *generator) spoke(who speaker) {
	g.prev = who
	if who != system {
		g.talk = who
	}
}

// use notes what is planted in a text that goes into message i, or -1, and gives its string.
func (g *generator) use(i int, who speaker, t text) string {
	for _, rule := range t.rules {
		p := Planted{i, rule}
		if who == system || who == user {
			g.h.Pins = append(g.h.Pins, p)
		} else {
			g.h.Decoys = append(g.h.Decoys, p)
		}
	}
	for _, id := range t.id {
		g.h.IDs = append(g.h.IDs, Planted{i, id})
	}
	return t.s
}
