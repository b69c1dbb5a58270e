package digest

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/trapgate/trapgate/internal/wire"
)

// An archive is a copy of the evicted messages, and the handles of it and of the results in it.
type archive struct {
	buf     []byte      // the messages, joined as in the body or by commas
	bodies  []wire.Span // in buf, of the results that have a handle of their own
	handles []string    // of these; good after wait
	span    string      // handle of buf; good after wait
	done    chan struct{}
}

// besideMin is the size from which hashing, at some 2 GB/s, is worth another goroutine.
const besideMin = 32 << 10

// archive copies the messages, whose indices ascend, and begins to hash the copy.
func (c *collector) archive(msgs []int) {
	a := &c.kept
	if len(msgs) == 0 {
		return
	}
	all, n := c.v.Msgs, len(msgs)
	first, last := all[msgs[0]].Span, all[msgs[n-1]].Span
	if msgs[n-1]-msgs[0] == n-1 { // the common case; memory that is written once need not be cleared before
		a.buf = append(a.buf, c.v.Body[first.Start:last.End]...)
		a.find(c.v, msgs, -int(first.Start))
	} else {
		a.buf = make([]byte, 0, int(last.End-first.Start)+n)
		for k, i := range msgs {
			from := all[i].Span.Start
			if k > 0 && msgs[k-1] == i-1 {
				from = all[i-1].Span.End // with what stands between them
			} else if k > 0 {
				a.buf = append(a.buf, ',')
			}
			shift := len(a.buf) - int(from)
			a.buf = append(a.buf, c.v.Body[from:all[i].Span.End]...)
			a.find(c.v, msgs[k:k+1], shift)
		}
	}
	a.done = make(chan struct{})
	if len(a.buf) < besideMin {
		a.hash()
	} else {
		go a.hash()
	}
}

// find notes the results of messages whose copy stands shift bytes behind their place in the body.
func (a *archive) find(v *wire.View, msgs []int, shift int) {
	for _, i := range msgs {
		for k := v.Msgs[i].Result.From; k < v.Msgs[i].Result.To; k++ {
			if s := v.Results[k].Body; int(s.End-s.Start) >= offloadMin {
				a.bodies = append(a.bodies, wire.Span{Start: s.Start + int32(shift), End: s.End + int32(shift)})
			}
		}
	}
}

// body is the copy of the result that is the k-th with a handle.
func (a *archive) body(k int) []byte {
	s := a.bodies[k]
	return a.buf[s.Start:s.End:s.End]
}

// hash reads every byte once: the hash of the whole has those of the results in their places.
func (a *archive) hash() {
	defer close(a.done)
	whole, at := sha256.New(), int32(0)
	a.handles = make([]string, len(a.bodies))
	for k, s := range a.bodies {
		sum := sha256.Sum256(a.body(k))
		a.handles[k] = handle(sum[:])
		whole.Write(a.buf[at:s.Start])
		whole.Write(sum[:])
		at = s.End
	}
	whole.Write(a.buf[at:])
	a.span = handle(whole.Sum(nil))
}

// HandleOf names a content by its hash.
func HandleOf(content []byte) string {
	sum := sha256.Sum256(content)
	return handle(sum[:])
}

func handle(sum []byte) string {
	return "ctx:" + hex.EncodeToString(sum[:6])
}
