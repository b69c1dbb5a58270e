package filters

// Refusable may be implemented by a Stream of the inner ring that may know a way out of an upstream's refusal. The host asks it
// before an answer with a status of 400 or more, that nothing has gone out of and that it would not try again by itself, passes
// the ring; and before a stream does that begins with an error event instead of an answer: see Opening. To find that out the host
// keeps a stream's beginning back, up to the event that decides it and for a moment at most: what came later than that passes.
// fields and body are borrowed; status and body are those of the refusal, as it would be had no stream been asked for. again says
// that the filter will send something else: the host drops the answer and makes the attempt again at the same upstream, at once; it
// counts as no retry, and is done at most once for each call. When no stream says so, the answer passes as any other.
type Refusable interface {
	Refused(status int, fields Fields, body []byte) (again bool)
}

// Refusable reports whether any stream wants to be asked about refusals.
func (f *Flow) Refusable() bool {
	for i := range f.links {
		if _, ok := f.links[i].stream.(Refusable); ok {
			return true
		}
	}
	return false
}

// Refused asks the streams about a refusal, the innermost first, until one says again. A panic breaks the flow.
func (f *Flow) Refused(status int, fields Fields, body []byte) (again bool, err error) {
	if f.err != nil {
		return false, f.err
	}
	defer f.rescue(&err)
	f.op = OpHead
	for i := len(f.links) - 1; i >= 0; i-- {
		if r, ok := f.links[i].stream.(Refusable); ok {
			f.at = i
			if r.Refused(status, fields, body) {
				f.at = hostCode
				return true, nil
			}
		}
	}
	f.at = hostCode
	return false, nil
}
