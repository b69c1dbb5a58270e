package digest

import "bytes"

// decision notes the sentence of the model around a cue when it says what was decided and why.
func (r *reader) decision(v value) {
	if v.From < r.until || !r.reason(v) {
		return
	}
	from, to := around(r.raw, v.From, v.To)
	if r.until = to; to-from >= 24 && to-from <= 280 {
		r.c.decided = append(r.c.decided, trim(r.raw[from:to]))
	}
}

func (r *reader) reason(v value) bool {
	rest := r.raw[v.To:]
	switch string(r.raw[v.From:v.To]) {
	case "because", "decided", "therefore", "Therefore", "opted", "chose":
		return true
	case "instead":
		return bytes.HasPrefix(rest, []byte(" of"))
	case "rather":
		return bytes.HasPrefix(rest, []byte(" than"))
	case "root":
		return bytes.HasPrefix(rest, []byte(" cause"))
	case "so", "suggests":
		return bytes.HasPrefix(rest, []byte(" that"))
	}
	return false
}

// note appends a line to a list, or moves an equal one to the end.
func (c *collector) note(list *[]item, raw []byte) {
	line := oneLine(nil, raw)
	for i, old := range *list {
		if old.Raw == string(line) {
			*list = append(append((*list)[:i:i], (*list)[i+1:]...), old)
			return
		}
	}
	*list = append(*list, newItem(line))
}

// newest drops the oldest items until the list costs at most budget.
func newest(list []item, budget int) []item {
	total := 0
	for i := len(list) - 1; i >= 0; i-- {
		if total += list[i].Cost; total > budget {
			return list[i+1:]
		}
	}
	return list
}

// openItems takes the unticked boxes of the latest list that has any.
func (c *collector) openItems(raw []byte) {
	if !bytes.Contains(raw, []byte("- [")) {
		return // as most texts
	}
	box := []byte("- [ ] ")
	at := bytes.Index(raw, box)
	if at < 0 {
		if bytes.Contains(raw, []byte("- [x] ")) {
			c.state.Open = nil
		}
		return
	}
	c.state.Open = nil
	for at >= 0 && len(c.state.Open) < 8 {
		from := at + len(box)
		to := lineEnd(raw, from)
		c.state.Open = append(c.state.Open, newItem(oneLine(nil, head(raw[from:to], 160))))
		k := bytes.Index(raw[to:], box)
		if k < 0 {
			break
		}
		at = to + k
	}
}

var intents = [][]byte{[]byte("Next"), []byte("next step"), []byte("Let's"), []byte("Let me"), []byte("I'll "), []byte("I will"), []byte("We should"), []byte("we should")}

// nextStep is the last sentence in which the model said what it was about to do.
func (c *collector) nextStep() {
	last := -1
	for _, w := range intents {
		last = max(last, bytes.LastIndex(c.said, w))
	}
	if last < 0 {
		return
	}
	from, to := around(c.said, last, last)
	if line := trim(c.said[from:to]); len(line) >= 12 {
		c.state.Next = newItem(oneLine(nil, head(line, 200)))
	}
}

// fault notes the line of a tool result around a word that announces an error, at most three of a result.
func (r *reader) fault(v value) {
	if v.From < r.until || r.faults == 3 || !r.announces(v) {
		return
	}
	from, to := lineAround(r.raw, v.From)
	if from < r.until || to <= v.From {
		return
	}
	if line := trim(r.raw[from:to]); len(line) >= 8 && len(line) <= 400 {
		r.failed = r.failed || len(trim(r.raw[:from])) == 0
		r.c.fails = append(r.c.fails, fail{raw: head(line, 240)})
		r.faults++
	}
	r.until = to
}

func (r *reader) announces(v value) bool {
	switch w := r.raw[v.From:v.To]; {
	case w[len(w)-1] == ':':
		if v.To+1 >= len(r.raw) || r.raw[v.To] != ' ' || r.raw[v.To+1] == '\\' {
			return false // "except E as error:"
		}
		return bytes.HasSuffix(w, []byte("rror:")) || bytes.HasSuffix(w, []byte("Exception:")) || string(w) == "fatal:" || string(w) == "panic:"
	case string(w) == "FAILED":
		return true
	case string(w) == "such":
		return bytes.HasSuffix(r.raw[:v.From], []byte("No ")) && bytes.HasPrefix(r.raw[v.To:], []byte(" file"))
	case string(w) == "found":
		return bytes.HasSuffix(r.raw[:v.From], []byte("command not "))
	}
	return false
}

// complains reports whether a result begins as errors do that have no label in their first line.
func complains(text []byte) bool {
	text = trim(text)
	for _, p := range []string{"Traceback", `{\"error`, `{ \"error`, "Error ", "ERROR"} {
		if bytes.HasPrefix(text, []byte(p)) {
			return true
		}
	}
	return false
}

// lineAround is the line that holds i, at most 400 bytes to each side.
func lineAround(raw []byte, i int) (int, int) {
	from := i
	for from > 0 && i-from < 400 && !(raw[from-1] == 'n' && oddSlash(raw[:from-1])) {
		from--
	}
	to := i
	for to < len(raw) && to-i < 400 && !(raw[to] == '\\' && to+1 < len(raw) && raw[to+1] == 'n') {
		to += step(raw[to:])
	}
	return from, min(to, len(raw))
}

// recent keeps the newest user messages that fit the budget; the newest is cut when it alone does not.
func (c *collector) recent() {
	var list []item
	left := c.opt.RecentUser
	for k := len(c.users) - 1; k >= 0 && left > 0; k-- {
		raw := trim(respell(inside(c.users[k].Of(c.v.Body))))
		if at := bytes.Index(raw, []byte(banner)); at >= 0 {
			raw = trim(raw[:at])
		}
		it := c.recentItem(raw, left, len(list) == 0)
		if left -= it.Cost; it.Raw == "" || left < 0 {
			left = 0
			break
		}
		list = append(list, it)
	}
	for _, it := range c.state.Users {
		if left -= it.Cost; left < 0 {
			break
		}
		list = append(list, it)
	}
	c.state.Users = list
}

func (c *collector) recentItem(raw []byte, left int, newest bool) item {
	if len(raw) <= left*6 {
		if it := newItem(raw); it.Cost <= left {
			return it
		}
	}
	if !newest || left < 8 {
		return item{}
	}
	it := newItem(head(raw, (left-4)*3))
	it.Raw += "…"
	return it
}

// leastWork is what the log of calls may take in the smallest window, in tokens.
const leastWork = 40

// finish settles what needs the whole span, which is these messages.
func (c *collector) finish(msgs []int) {
	c.state.Operator = nil
	for _, p := range c.opt.Pin {
		c.state.Operator = append(c.state.Operator, string(escape(p)))
	}
	if len(msgs) == 0 {
		return
	}
	c.recent()
	c.nextStep()
	for _, d := range c.decided[max(0, len(c.decided)-16):] {
		c.note(&c.state.Decisions, d)
	}
	c.logCalls()
	for _, f := range c.fails[max(0, len(c.fails)-24):] {
		line := f.raw
		if f.tool != "" {
			line = append(append([]byte(f.tool), ": "...), line...)
		}
		c.note(&c.state.Errors, line)
	}
	c.state.Decisions = newest(c.state.Decisions, c.opt.FactBudget/24)
	c.state.Errors = newest(c.state.Errors, c.opt.FactBudget/24)
	if c.state.WorkBudget = c.opt.StubBudget / 2; c.opt.FactBudget > 0 {
		c.state.WorkBudget = max(c.state.WorkBudget, leastWork)
	}
	c.fitPins()
	c.handles()
	c.stubs()
	c.span(msgs[0])
	c.fitFacts(msgs[0])
	c.fitFiles(msgs[0])
}
