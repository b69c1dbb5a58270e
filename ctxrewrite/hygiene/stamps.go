package hygiene

import "slices"

// Stamps are the texts that were appended to messages of a conversation. All of its later requests carry them at the same messages.
type stamps struct {
	texts map[point][]byte
	order []point // oldest first
	bytes int
}

// A point is a message of a conversation by the chain after it, and after the next: one message may have been answered more than
// once, with different stamps. next is 0 until there is one.
type point struct{ chain, next uint64 }

// At most so many, and so many bytes, are kept of a session: about 3,000 tokens, which whoever fits requests to a window does not
// count. Then the older half goes at once, which costs the cache once, and not with each one that goes.
const (
	maxStamps     = 256
	maxStampBytes = 12 << 10
)

// get finds the stamp of a message; the newest one that nothing was behind yet is taken to be that of this continuation.
func (s *stamps) get(p point) []byte {
	if text := s.texts[p]; text != nil || p.next == 0 {
		return text
	}
	open := point{p.chain, 0}
	text := s.texts[open]
	if text != nil {
		delete(s.texts, open)
		s.texts[p] = text
		s.order[slices.Index(s.order, open)] = p
	}
	return text
}

// put sets the stamp of a message. The text is kept and must not change.
func (s *stamps) put(p point, text []byte) {
	s.drop(p)
	if s.texts == nil {
		s.texts = make(map[point][]byte)
	}
	for len(s.order) > 0 && (len(s.order) >= maxStamps || s.bytes+len(text) > maxStampBytes) {
		for _, old := range slices.Clone(s.order[:(len(s.order)+1)/2]) {
			s.drop(old)
		}
	}
	s.texts[p] = text
	s.order = append(s.order, p)
	s.bytes += len(text)
}

func (s *stamps) drop(p point) {
	text, ok := s.texts[p]
	if !ok {
		return
	}
	delete(s.texts, p)
	s.bytes -= len(text)
	if i := slices.Index(s.order, p); i >= 0 {
		s.order = slices.Delete(s.order, i, i+1)
	}
}
