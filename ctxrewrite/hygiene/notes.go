package hygiene

import (
	"bytes"
	"encoding/binary"

	"github.com/trapgate/trapgate/ctxrewrite/store"
	"github.com/trapgate/trapgate/internal/wire"
)

// Notes keep what a session must find again in a later process.
type Notes interface {
	// Note stores a note beside the path, unless one of the same kind (its first byte) and identity stands. The two
	// slices may be one; it only reads them, also after it has returned, so nobody may change them any more.
	Note(tenant, session string, identity, note []byte)
	// Notes reads the notes of a session, oldest first. It waits for a short time at most; nil: there is none, or no answer.
	Notes(tenant, session string) [][]byte
}

// restore reads what an earlier process, or another replica, has noted of a conversation that did not begin here: once, and only when
// there is something in the system text that may change.
func (h *Hygiene) restore(r *Request, s *session, sc *scan) {
	if s.restored || h.notes == nil || !answered(r.View) || len(sc.segs) == 0 {
		return
	}
	s.restored = true
	for _, note := range h.notes.Notes(r.Tenant, r.Session) {
		if masked, volatile, ok := volatileIn(note); ok && len(volatile) > len(s.volatile[masked]) {
			if s.volatile == nil {
				s.volatile = map[uint64][]int32{}
			}
			s.volatile[masked] = volatile
		} else if chain, text, ok := stampIn(note); ok && s.stamps.texts[point{chain, 0}] == nil {
			s.stamps.put(point{chain, 0}, text)
		}
	}
}

func answered(v *wire.View) bool {
	for i := range v.Msgs {
		if ofModel(&v.Msgs[i]) {
			return true
		}
	}
	return false
}

// noteVolatile notes which segments of a prompt are moved, when there are more than before.
func (h *Hygiene) noteVolatile(r *Request, p *prompt) {
	if h.notes == nil || p.noted == len(p.volatile) {
		return
	}
	p.noted = len(p.volatile)
	note := binary.LittleEndian.AppendUint64([]byte{store.NoteVolatile}, p.masked)
	for _, i := range p.volatile {
		note = binary.AppendUvarint(note, uint64(i))
	}
	h.notes.Note(r.Tenant, r.Session, note, note)
}

// volatileIn reads such a note: the hash of the masked text, and the segments in order.
func volatileIn(note []byte) (masked uint64, volatile []int32, ok bool) {
	if len(note) < 10 || note[0] != store.NoteVolatile {
		return 0, nil, false
	}
	masked, note = binary.LittleEndian.Uint64(note[1:]), note[9:]
	for len(note) > 0 {
		i, size := binary.Uvarint(note)
		n := len(volatile)
		if size <= 0 || i >= maxSegments || n == maxVolatile || n > 0 && int32(i) <= volatile[n-1] {
			return 0, nil, false
		}
		volatile, note = append(volatile, int32(i)), note[size:]
	}
	return masked, volatile, true
}

// noteStamp notes a stamp: the chain after its message, and its text.
func (h *Hygiene) noteStamp(r *Request, chain uint64, text []byte) {
	if h.notes == nil {
		return
	}
	note := append(binary.LittleEndian.AppendUint64([]byte{store.NoteStamp}, chain), text...)
	h.notes.Note(r.Tenant, r.Session, note, note)
}

func stampIn(note []byte) (chain uint64, text []byte, ok bool) {
	if len(note) < 9 || note[0] != store.NoteStamp {
		return 0, nil, false
	}
	chain, text = binary.LittleEndian.Uint64(note[1:]), note[9:]
	if !bytes.HasPrefix(text, []byte(stampOpens)) || !bytes.HasSuffix(note, []byte(stampCloses)) {
		return 0, nil, false
	}
	return chain, text, true
}
