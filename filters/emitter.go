package filters

import "time"

// An Emitter passes events from one stream to the next one out. It is valid during the call that it was handed to.
type Emitter struct {
	flow   *Flow
	stream Stream   // nil when the filter has no interest in the response
	outer  *Emitter // the next stream out that wants events; nil: the sink
	index  int
	start  time.Duration
	spent  time.Duration

	headOnly, ending, again bool
}

// Emit passes e on. Its bytes are borrowed until Emit returns. An error is final for the exchange: the stream returns it,
// and has nothing left to do but to be closed.
func (o *Emitter) Emit(e Event) error {
	f, to := o.flow, o.outer
	if f.err != nil {
		return f.err
	}
	if to == nil {
		f.at = hostCode
		if err := f.sink.Emit(e); err != nil {
			f.stop(err)
		}
	} else {
		f.at = to.index
		if err := to.stream.Event(e, to); err != nil {
			f.fail(to, OpEvent, err)
		}
	}
	f.at = o.index
	return f.err
}

// Again asks for another call of the exchange once End returns: a hidden turn. The agent sees one response, made of what
// is emitted over all calls. It is for End of a stream of the outer ring; anywhere else it fails the exchange.
//
// What the next call asks is for the filter to say, through Exchange.Edits, before End returns.
func (o *Emitter) Again() {
	if !o.ending || o.flow.chain.inner {
		o.flow.fail(o, o.flow.op, errAgain)
		return
	}
	o.again = true
}
