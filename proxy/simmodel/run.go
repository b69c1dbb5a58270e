package simmodel

import (
	"context"
	"time"
)

func (m *Model) chain(q *request, key string) []uint64 {
	salt := hash64([]byte(q.model))
	if m.opt.Cache.PerKey {
		salt = mix(salt, hash64([]byte(key)))
	}
	return m.cache.chain(q.rendered, salt, nil)
}

// cachedTokens is how much of the prompt needs no prefill: whole blocks, and never the last token.
func (m *Model) cachedTokens(q *request, chain []uint64) int {
	n := m.cache.lookup(chain, m.clock.Now()) * m.opt.Cache.Block
	if n >= q.prompt {
		n -= m.opt.Cache.Block
	}
	return max(0, n)
}

// run generates an answer in a slot: wait, prefill, decode. s and ew are nil when nothing is streamed.
func (m *Model) run(ctx context.Context, q *request, a *answer, c *conversation, s sink, ew *eventWriter) (u usage, err error) {
	u.prompt = q.prompt
	c.enter("queued")
	stop := context.AfterFunc(ctx, c.left)
	defer func() {
		switch stopped := stop(); {
		case stopped && ctx.Err() != nil:
			c.left() // we saw the end before it was told
		case !stopped:
			if at := c.gone.Load(); at > 0 {
				raise(&m.stats.freedAfter, time.Now().UnixNano()-at)
			}
		}
	}()
	if err := m.eng.acquire(ctx); err != nil {
		if ctx.Err() != nil {
			m.stats.abandonedQueued.Add(1)
		}
		return u, err
	}
	defer m.eng.release()
	defer func() { m.settle(c, &u) }()
	if m.opt.LateOverflow {
		if e := c.overflow(q); e != nil {
			return u, e
		}
	}
	if m.opt.EarlyHeaders && ew != nil {
		c.answerHeaders()
		ew.early()
	}
	c.enter("prefill")
	at, chain, err := m.prefill(ctx, q, c, &u)
	if err != nil {
		return u, err
	}
	if ew != nil && !ew.headed {
		c.answerHeaders()
	}
	c.enter("decode")
	if err := m.decode(ctx, c, a, at, &u, s, ew); err != nil {
		return u, err
	}
	m.remember(q, a, c, len(chain))
	return u, nil
}

// prefill processes the prompt and returns the moment of the first token.
func (m *Model) prefill(ctx context.Context, q *request, c *conversation, u *usage) (time.Time, []uint64, error) {
	chain := m.chain(q, c.key)
	u.cached = m.cachedTokens(q, chain)
	m.stats.prompt.Add(int64(q.prompt))
	m.stats.cached.Add(int64(u.cached))
	at := m.clock.Now().Add(time.Duration(m.opt.Overhead))
	block := m.opt.Cache.Block
	for done := u.cached; done < q.prompt; {
		n := min(prefillStep, q.prompt-done)
		if m.eng.prefill <= 0 {
			n = q.prompt - done
		}
		at = at.Add(m.eng.cost(n, m.eng.prefill))
		if err := m.clock.Wait(ctx, at); err != nil {
			return at, nil, err
		}
		m.cache.insert(chain, done/block, (done+n)/block, m.clock.Now())
		m.stats.prefilled.Add(int64(n))
		done += n
	}
	if q.marked {
		u.created = max(0, len(chain)*block-u.cached)
		u.created = min(u.created, q.prompt-u.cached)
	}
	return at, chain, nil
}

// decode generates the tokens: the first when prefill ends, each later one after its interval. Deadlines are absolute, so
// a late wake-up delays one token and not all.
func (m *Model) decode(ctx context.Context, c *conversation, a *answer, at time.Time, u *usage, s sink, ew *eventWriter) error {
	per := m.opt.TokensPerDelta
	if s == nil {
		per = max(per, m.unaryStep())
	}
	if ew != nil && ew.f.has("huge") {
		per = 1 << 30
	}
	first := true
	for i := range a.parts {
		p := &a.parts[i]
		opened := false
		for n := p.tokens; ; n = 0 { // a call's name has been counted by then
			k := min(per, p.left())
			n += k
			if n == 0 && opened {
				break
			}
			if first {
				first = false
				at = at.Add(m.eng.cost(n-1, m.eng.decode))
			} else {
				at = at.Add(m.eng.cost(n, m.eng.decode))
			}
			if err := m.clock.Wait(ctx, at); err != nil {
				return err
			}
			if err := m.emit(c, a, i, k, n, &opened, u, s, ew); err != nil {
				return err
			}
		}
		p.finish()
		if s != nil {
			s.close(i, p)
		}
	}
	if s == nil {
		return nil
	}
	s.end(a, *u)
	return ew.finish()
}

// unaryStep is how many tokens pass between two looks at the batch when nobody watches: about 4 ms worth.
func (m *Model) unaryStep() int {
	if m.eng.decode <= 0 {
		return 1 << 30
	}
	return max(1, int(m.eng.decode*0.004))
}

// emit generates k tokens of part i, n with its name, and puts them on the wire.
func (m *Model) emit(c *conversation, a *answer, i, k, n int, opened *bool, u *usage, s sink, ew *eventWriter) error {
	p := &a.parts[i]
	// The agent may leave in the very moment in which a token comes; anything later is work for nobody.
	if at := c.gone.Load(); at > 0 && time.Now().UnixNano()-at > int64(time.Millisecond) {
		m.stats.after.Add(int64(n))
	}
	text := p.next(k, m.clock.Now())
	u.output += n
	if p.kind == thinkPart {
		u.reasoning += n
	}
	m.stats.output.Add(int64(n))
	if s == nil {
		*opened = true
		return nil
	}
	if !*opened {
		*opened = true
		if i == 0 {
			s.begin(*u)
		}
		s.open(i, p)
	}
	if k > 0 {
		s.delta(i, p, text)
	}
	return ew.flush()
}

// remember keeps prompt and answer together in the cache, as the next turn of the conversation will bring them.
func (m *Model) remember(q *request, a *answer, c *conversation, from int) {
	if m.cache.cap <= 0 {
		return
	}
	t := turn{role: "assistant"}
	for i := range a.parts {
		switch p := &a.parts[i]; p.kind {
		case textPart:
			t.text += p.text
		case callPart:
			t.calls = append(t.calls, callRef{name: p.tool.name, args: p.text})
		}
	}
	full := q.renderMore(&t)
	longer := request{rendered: full, model: q.model}
	chain := m.chain(&longer, c.key)
	m.cache.insert(chain, from, len(chain), m.clock.Now())
}

// settle corrects the budgets to what was used.
func (m *Model) settle(c *conversation, u *usage) {
	if c.charged == (charge{}) {
		return
	}
	m.limits.settle(c.key, c.charged, charge{1, float64(u.prompt + u.output), float64(u.prompt - u.cached), float64(u.output)})
}
