package lease

import (
	"math"
	"sort"
	"time"
)

// A record is what a store knows of one resource. exchange.lua is the same algorithm in Lua, and one suite compares the two
// step by step: keep them alike, names and order of operations included. Times are seconds of the store's clock, amounts
// are units.
type record struct {
	gen     string
	born    float64
	at      float64            // of the last exchange
	level   float64            // Rate: what is in the bucket and not leased
	floor   float64            // Budget: what was committed when a holder last heard of a record that is lost
	told    float64            // Budget: the same, as sidecars that started since have it written down
	learns  float64            // Budget: until then a holder of the lost record may not have been heard
	done    float64            // Budget: committed by holders that are forgotten
	by      map[string]float64 // Budget: done and told by sidecar
	holders map[string]*holder
}

type holder struct {
	sidecar string
	seq     uint64
	prior   float64 // Budget: used by its sidecar before
	used    float64
	held    float64
	base    float64 // Budget: part of used + held that floor or done counts already
	ask     float64
	need    float64
	depth   float64
	credit  float64 // what it is owed: units (Rate), slot seconds (Slots)
	share   float64 // its part by weighted max-min: a second (Rate), for a Delta (Budget), at once (Slots)
	target  float64 // Slots: share in whole slots
	spare   float64 // Budget: what it may spend of its own accord once its lease has run out
	alone   float64 // Budget: the same, while it does not hear us
	until   float64
	demands []Demand
}

func newRecord(gen string, now float64) *record {
	return &record{gen: gen, born: now, at: now, level: -1, by: map[string]float64{}, holders: map[string]*holder{}}
}

func secs(d time.Duration) float64 { return float64(d) / 1e9 }

func static(p *Report) float64 { return float64(p.Limit) / float64(p.Sidecars) }

// perSecond is the limit of a Rate.
func perSecond(p *Report) float64 { return float64(p.Limit) / secs(p.Per) }

// idle holders have no lease that could be used unheard.
func (h *holder) idle() bool { return h.held <= 0 && len(h.demands) == 0 }

// ids are the holders in a fixed order, so that both implementations add in the same order.
func (r *record) ids() []string {
	ids := make([]string, 0, len(r.holders))
	for id := range r.holders {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	return ids
}

// young tells whether there may be holders whose lease or use this record has not heard of.
func (r *record) young(p *Report, now float64) bool { return now < r.born+secs(p.TTL) }

// learning tells whether there may be holders of a lost budget that this record has not heard of: one that rests is silent
// for longer than a TTL. It is over when as many as are expected are there.
func (r *record) learning(p *Report, now float64, ids []string) bool {
	if now >= r.learns {
		return false
	}
	live := 0
	for _, id := range ids {
		if now < r.holders[id].until {
			live++
		}
	}
	return live < p.Sidecars
}

// exchange takes a report and answers it. now never goes back; a clock that does is held.
func (r *record) exchange(p *Report, now float64) Grant {
	now = max(now, r.at)
	if p.Failed && now >= r.at+secs(p.TTL) { // all are on their own, and did what is not yet reported
		r.born = now
	}
	ids := r.ids()
	ids = r.forget(p, now, ids)
	r.advance(p, now, ids)
	h := r.holders[p.Holder]
	if h != nil && p.Seq <= h.seq {
		return Grant{Gen: r.gen, Total: whole(r.committed(p.Kind, ids))}
	}
	if p.Leave {
		r.leave(p, h, now)
		return Grant{Gen: r.gen, Total: whole(r.committed(p.Kind, r.ids()))}
	}
	if h == nil {
		h = r.join(p, now)
		ids = r.ids()
	}
	h.seq, h.used, h.held = p.Seq, float64(p.Used), float64(p.Held)
	h.ask, h.need, h.depth, h.alone = float64(p.Ask), float64(p.Need), float64(p.Depth), float64(p.Alone)
	h.demands = append(h.demands[:0], p.Demands...)
	h.until = now + secs(p.TTL)
	var g Grant
	switch p.Kind {
	case Rate:
		g = r.rate(p, h, now, ids)
	case Budget:
		g = r.budget(p, h, now, ids)
	case Slots:
		g = r.slots(p, h, now, ids)
	}
	g.Gen, g.Total = r.gen, whole(r.committed(p.Kind, ids))
	return g
}

func (r *record) join(p *Report, now float64) *holder {
	h := &holder{sidecar: p.Sidecar}
	if p.Kind == Budget {
		if p.Gen != "" && p.Gen != r.gen {
			r.floor = max(r.floor, float64(p.Known))
			if r.learns == 0 && !p.Leave {
				r.learns = now + secs(p.Grace)
			}
		}
		h.base = float64(p.Was)
		if h.prior = float64(p.Prior); p.Gen == "" {
			r.tell(h)
		}
	}
	r.holders[p.Holder] = h
	return h
}

// tell takes what a sidecar has written down that was used before h, as far as this record does not know it from others of
// the sidecar's starts: it was used under a record that is lost, or under none.
func (r *record) tell(h *holder) {
	if h.sidecar == "" {
		return
	}
	known := r.by[h.sidecar]
	for _, id := range r.ids() {
		if o := r.holders[id]; o.sidecar == h.sidecar {
			known += o.used + o.held - o.base
		}
	}
	if missing := h.prior - known; missing > 0 {
		r.told += missing
		r.by[h.sidecar] += missing
	}
}

// end counts what a holder that is dropped has used.
func (r *record) end(h *holder, used float64) {
	r.done += used - h.base
	if _, known := r.by[h.sidecar]; h.sidecar != "" && (known || len(r.by) < maxStarts) {
		r.by[h.sidecar] += used - h.base
	}
}

// lost is what was committed under a record that is lost, as far as anybody knows.
func (r *record) lost() float64 { return max(r.floor, r.told) }

func (r *record) leave(p *Report, h *holder, now float64) {
	if h == nil {
		h = r.join(p, now)
	}
	if p.Kind == Budget {
		r.end(h, float64(p.Used))
	}
	if p.Kind == Rate {
		r.level += float64(p.Back) // the next refill cuts it to the depth
	}
	delete(r.holders, p.Holder)
}

// forget drops the holders that were silent for a TTL and a Grace. What they held of a budget is taken as spent.
func (r *record) forget(p *Report, now float64, ids []string) []string {
	kept := ids[:0]
	for _, id := range ids {
		h := r.holders[id]
		if now < h.until+secs(p.Grace) {
			kept = append(kept, id)
			continue
		}
		if p.Kind == Budget {
			r.end(h, h.used+h.held)
		}
		delete(r.holders, id)
	}
	return kept
}

// advance moves the record to now: the bucket is refilled, and what holders are owed grows by their shares.
func (r *record) advance(p *Report, now float64, ids []string) {
	dt := now - r.at
	r.at = now
	switch p.Kind {
	case Rate:
		depth, out, live, need, speed := float64(p.Depth), 0.0, 0.0, 0.0, perSecond(p)
		for _, id := range ids {
			h := r.holders[id]
			depth = max(depth, h.depth)
			if now < h.until {
				out += h.held
				live++
				need = max(need, h.need)
				h.credit = min(h.credit+h.share*dt, max(h.share*secs(p.Delta), h.need))
				continue
			}
			if !h.idle() {
				speed -= static(p) / secs(p.Per)
			}
			h.credit = 0
		}
		if r.young(p, now) { // whom it has not heard of may spend the static share
			speed = min(speed, live*static(p)/secs(p.Per))
		}
		if r.level < 0 { // a new record: a small start, because others may still spend what the lost one gave them
			r.level = depth / float64(p.Sidecars)
		}
		// What lies about at holders that wait for more must not keep the call that waits from ever fitting.
		r.level = max(min(r.level+max(speed, 0)*dt, max(depth-out, need)), 0)
	case Slots:
		for _, id := range ids {
			h := r.holders[id]
			h.credit = max(min(h.credit+(h.share-h.held)*dt, 4*secs(p.Delta)), -4*secs(p.Delta))
		}
	}
}

// committed is what of a budget is used or held by somebody; of the other kinds, what is held.
func (r *record) committed(k Kind, ids []string) float64 {
	sum := r.lost() + r.done
	for _, id := range ids {
		h := r.holders[id]
		sum += h.held
		if k == Budget {
			sum += h.used - h.base
		}
	}
	return sum
}

// maxStarts bounds the sidecars whose use a record keeps apart.
const maxStarts = 4096

func whole(x float64) int64 { return int64(math.Floor(x + 1e-9)) }
