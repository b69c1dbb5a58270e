package ctxrewrite

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/trapgate/trapgate/ctxrewrite/digest"
	"github.com/trapgate/trapgate/ctxrewrite/store"
	"github.com/trapgate/trapgate/internal/wire"
)

// How long the store may take: where a request waits for it, once for each conversation that is new to this process and long; and
// beside the path.
const (
	loadTimeout = 50 * time.Millisecond
	keepTimeout = 5 * time.Second
)

// loadAgain is how long a store that did not answer is left alone.
const loadAgain = 5 * time.Second

// load reads what the store knows of a conversation that this process has not seen.
func (f *fit) load() {
	conv := f.conv
	if conv.loaded || conv.seen.Before(conv.retry) {
		return
	}
	conv.retry = conv.seen.Add(loadAgain)
	records, notes, err := f.read()
	conv.line.measure(f.r.View, f.chains()) // somebody else may have been here
	if err != nil {
		f.e.log.Warn("context: epochs made before could not be read yet", "session", conv.key.Session, "err", err)
		return
	}
	if conv.loaded {
		return
	}
	conv.loaded = true
	for _, note := range notes {
		conv.recall(note)
	}
	byID := map[uint64]*Epoch{}
	for _, record := range records {
		ep, parent, err := unmarshalEpoch(record)
		if err != nil {
			f.e.log.Warn("context: an epoch made before cannot be used", "session", f.conv.key.Session, "err", err)
			continue
		}
		if ep.parent = byID[parent]; parent != 0 && ep.parent == nil {
			continue
		}
		byID[ep.id()] = ep
		f.conv.add(ep)
	}
}

// read asks the store with the conversation unlocked: nobody else waits for it.
func (f *fit) read() (epochs, notes [][]byte, err error) {
	f.conv.mu.Unlock()
	defer f.conv.mu.Lock()
	ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
	defer cancel()
	if epochs, err = f.e.store.Epochs(ctx, f.conv.key); err != nil {
		return nil, nil, err
	}
	if notes, err = f.e.store.Notes(ctx, f.conv.key); err == nil {
		err = f.e.guarded(ctx, f.conv.key.Tenant)
	}
	return epochs, notes, err
}

// settle stores an epoch and what it offloaded, and returns the one that stands: another replica's when that was first.
func (e *Engine) settle(key store.Key, ep *Epoch, off []digest.Offload) *Epoch {
	if e.config.Load().Mode == Observe {
		return ep // nobody's request has it
	}
	contents := make([]store.Content, len(off))
	for i, o := range off {
		contents[i] = store.Content{Handle: o.Handle, Tool: o.Tool, Args: o.Args, Body: o.Content}
	}
	ctx, cancel := context.WithTimeout(context.Background(), keepTimeout)
	defer cancel()
	if err := e.store.PutContents(ctx, key, contents); err != nil {
		e.log.Warn("context: contents that left a request could not be stored", "session", key.Session, "err", err)
	}
	record, err := ep.marshal()
	if err != nil {
		e.log.Error("context: an epoch cannot be stored", "session", key.Session, "err", err)
		return ep
	}
	stands, err := e.store.PutEpoch(ctx, key, ep.id(), record)
	e.again(ctx, key.Tenant, append(bodies(contents), record)...)
	if err != nil {
		e.log.Warn("context: an epoch could not be stored", "session", key.Session, "err", err)
		return ep
	}
	if string(stands) == string(record) {
		return ep
	}
	other, parent, err := unmarshalEpoch(stands)
	if err != nil || parent != ep.parentID() || other.Task != ep.Task || other.Cover != ep.Cover {
		return ep
	}
	other.parent = ep.parent
	return other
}

// keep stores contents beside the path.
func (e *Engine) keep(key store.Key, contents []store.Content) {
	guard := e.guards.of(key.Tenant)
	contents = slices.DeleteFunc(contents, func(c store.Content) bool { return guard.says(c.Body) })
	if len(contents) == 0 || key.Session == "" || e.config.Load().Mode == Observe {
		return // nobody's, or nobody's request
	}
	e.running.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), keepTimeout)
		defer cancel()
		if err := e.store.PutContents(ctx, key, contents); err != nil {
			e.log.Warn("context: contents that left a request could not be stored", "session", key.Session, "err", err)
		}
		e.again(ctx, key.Tenant, bodies(contents)...)
	})
}

func bodies(contents []store.Content) (all [][]byte) {
	for i := range contents {
		all = append(all, contents[i].Body)
	}
	return all
}

// id is what an epoch is stored under: epochs of one cover differ in the agent's rules.
func (ep *Epoch) id() uint64 { return ep.Chain + ep.Pins*0x9E3779B97F4A7C15 }

func (ep *Epoch) parentID() uint64 {
	if ep.parent == nil {
		return 0
	}
	return ep.parent.id()
}

// epochVersion begins every stored epoch.
const epochVersion = 2

var errEpoch = errors.New("not an epoch of this version")

// marshal is the stored form: version, dialect, numbers as varints, chain, shape, notes, rules and the
// parent's id, then the digest.
func (ep *Epoch) marshal() ([]byte, error) {
	d, err := ep.digest.MarshalBinary()
	if err != nil {
		return nil, err
	}
	b := []byte{epochVersion, byte(ep.dialect)}
	for _, n := range [...]int{ep.Number, ep.Task, ep.Cover, ep.Window} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	for _, n := range [...]uint64{ep.Chain, ep.Shape, ep.Notes, ep.Pins, ep.parentID()} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return append(b, d...), nil
}

func unmarshalEpoch(b []byte) (ep *Epoch, parent uint64, err error) {
	if len(b) < 2 || b[0] != epochVersion {
		return nil, 0, errEpoch
	}
	ep = &Epoch{dialect: wire.Dialect(b[1])}
	b = b[2:]
	for _, to := range [...]*int{&ep.Number, &ep.Task, &ep.Cover, &ep.Window} {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > 1<<31 {
			return nil, 0, errEpoch
		}
		*to, b = int(n), b[size:]
	}
	if len(b) < 40 || ep.Cover <= ep.Task+1 {
		return nil, 0, errEpoch
	}
	for _, to := range [...]*uint64{&ep.Chain, &ep.Shape, &ep.Notes, &ep.Pins, &parent} {
		*to, b = binary.LittleEndian.Uint64(b), b[8:]
	}
	d := new(digest.Digest)
	if err := d.UnmarshalBinary(b); err != nil {
		return nil, 0, err
	}
	ep.hold(d)
	return ep, parent, nil
}
