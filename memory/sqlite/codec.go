package sqlite

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// A body is a record without its ID, tenant, user and vector: a head of fixed places, then what varies in length. Numbers are
// little-endian; times are milliseconds since 1970, noTime for the zero time; later times are varints, as distances from Said.
//
//	0 version  1 kind  2 role  3 origin  4 trust  5 flags (2)  7 importance  11 said  19 uses  23 used  31 sim  39 text64  47 rest
const (
	bodyVersion = 1
	headSize    = 47
)

const (
	flagPrivate = 1 << iota
	flagSingle
	flagFrom
	flagTo
	flagCreated
	flagClosed
	flagExpires
	flagSuperseded
)

var errBody = errors.New("memory: a record in the state file is damaged")

// noTime stands for the zero time.
const noTime = math.MinInt64

func millis(t time.Time) int64 {
	if t.IsZero() {
		return noTime
	}
	return t.UnixMilli()
}

func moment(ms int64) time.Time {
	if ms == noTime {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// later are the times of a record that stand as distances from Said.
func later(r *record.Record) [5]*time.Time {
	return [...]*time.Time{&r.From, &r.To, &r.Created, &r.Closed, &r.Expires}
}

func pack(r *record.Record) []byte {
	b := make([]byte, headSize, headSize+len(r.Text)+96)
	flags := uint16(0)
	set := func(flag uint16, on bool) {
		if on {
			flags |= flag
		}
	}
	set(flagPrivate, r.Private)
	set(flagSingle, r.Single)
	set(flagSuperseded, r.SupersededBy != record.ID{})
	b = binary.AppendVarint(b, r.Seq)
	base := base(r.Said)
	for i, t := range later(r) {
		if !t.IsZero() {
			flags |= flagFrom << i
			b = binary.AppendVarint(b, t.UnixMilli()-base)
		}
	}
	if flags&flagSuperseded != 0 {
		b = append(b, r.SupersededBy[:]...)
	}
	b = binary.AppendUvarint(b, uint64(len(r.Sources)))
	for _, id := range r.Sources {
		b = append(b, id[:]...)
	}
	b = binary.AppendUvarint(b, uint64(len(r.Times)))
	for _, t := range r.Times {
		b = binary.AppendVarint(b, millis(t.From))
		b = binary.AppendVarint(b, millis(t.To))
	}
	for _, s := range texts(r) {
		b = binary.AppendUvarint(b, uint64(len(*s)))
		b = append(b, *s...)
	}
	b[0], b[1], b[2], b[3], b[4] = bodyVersion, byte(r.Kind), byte(r.Role), byte(r.Origin), byte(r.Trust)
	le := binary.LittleEndian
	le.PutUint16(b[5:], flags)
	le.PutUint32(b[7:], math.Float32bits(r.Importance))
	le.PutUint64(b[11:], uint64(millis(r.Said)))
	le.PutUint32(b[19:], uint32(r.Uses))
	le.PutUint64(b[23:], uint64(millis(r.Used)))
	le.PutUint64(b[31:], r.Sim)
	le.PutUint64(b[39:], r.Text64)
	return b
}

func base(said time.Time) int64 {
	if said.IsZero() {
		return 0
	}
	return said.UnixMilli()
}

func texts(r *record.Record) [8]*string {
	return [...]*string{&r.Scope.Agent, &r.Scope.Session, &r.Speaker, &r.Handle, &r.Subject, &r.Predicate, &r.Object, &r.Text}
}

// unpackHead reads what the fixed places say, of a body of which at least these are given.
func unpackHead(r *record.Record, b []byte) (flags uint16, err error) {
	if len(b) < headSize || b[0] != bodyVersion {
		return 0, errBody
	}
	le := binary.LittleEndian
	flags = le.Uint16(b[5:])
	r.Kind, r.Role, r.Origin, r.Trust = record.Kind(b[1]), record.Role(b[2]), record.Origin(b[3]), record.Trust(b[4])
	r.Private, r.Single = flags&flagPrivate != 0, flags&flagSingle != 0
	r.Importance = math.Float32frombits(le.Uint32(b[7:]))
	r.Said = moment(int64(le.Uint64(b[11:])))
	r.Uses, r.Used = int32(le.Uint32(b[19:])), moment(int64(le.Uint64(b[23:])))
	r.Sim, r.Text64 = le.Uint64(b[31:]), le.Uint64(b[39:])
	return flags, nil
}

// unpack reads a body into a record, which shares nothing with it.
func unpack(r *record.Record, body []byte) error {
	flags, err := unpackHead(r, body)
	if err != nil {
		return err
	}
	d := reader{b: body[headSize:]}
	r.Seq = d.varint()
	base := base(r.Said)
	for i, t := range later(r) {
		if flags&(flagFrom<<i) != 0 {
			*t = time.UnixMilli(base + d.varint()).UTC()
		}
	}
	if flags&flagSuperseded != 0 {
		copy(r.SupersededBy[:], d.bytes(16))
	}
	if n := d.count(16); n > 0 {
		r.Sources = make([]record.ID, n)
		for i := range r.Sources {
			copy(r.Sources[i][:], d.bytes(16))
		}
	}
	if n := d.count(2); n > 0 {
		r.Times = make([]record.Interval, n)
		for i := range r.Times {
			r.Times[i].From = moment(d.varint())
			r.Times[i].To = moment(d.varint())
		}
	}
	all := string(d.b) // one copy, of which all texts are parts
	whole := len(all)
	for _, s := range texts(r) {
		n := d.count(1)
		at := whole - len(d.b)
		d.bytes(n)
		if d.bad {
			return errBody
		}
		*s = all[at : at+n]
	}
	if d.bad || len(d.b) > 0 {
		return errBody
	}
	return nil
}

// A reader takes a body apart. What is not there reads as zero, and makes it bad.
type reader struct {
	b   []byte
	bad bool
}

func (d *reader) varint() int64 {
	v, n := binary.Varint(d.b)
	return int64(d.took(uint64(v), n))
}

// count reads how many things of at least a size follow.
func (d *reader) count(size int) int {
	v, n := binary.Uvarint(d.b)
	v = d.took(v, n)
	if v > uint64(len(d.b)/size) {
		d.bad, v = true, 0
	}
	return int(v)
}

func (d *reader) took(v uint64, n int) uint64 {
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *reader) bytes(n int) []byte {
	if len(d.b) < n {
		d.bad, d.b = true, nil
		return nil
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

// packUnit keeps 16 bits of each number of a unit vector: the error, 1.5e-5, is far below what tells texts apart.
func packUnit(unit []float32) []byte {
	b := make([]byte, 0, 2*len(unit))
	for _, x := range unit {
		b = binary.LittleEndian.AppendUint16(b, uint16(int16(math.Round(float64(max(-1, min(1, x)))*math.MaxInt16))))
	}
	return b
}

func unpackUnit(b []byte) []float32 {
	unit := make([]float32, len(b)/2)
	for i := range unit {
		unit[i] = float32(int16(binary.LittleEndian.Uint16(b[2*i:]))) / math.MaxInt16
	}
	return unit
}

func packNote(n *store.Note) []byte {
	b := []byte{bodyVersion}
	b = binary.AppendVarint(b, millis(n.At))
	b = binary.AppendVarint(b, int64(n.Tokens))
	b = binary.AppendUvarint(b, uint64(len(n.Records)))
	for _, id := range n.Records {
		b = append(b, id[:]...)
	}
	return append(b, n.Text...)
}

func unpackNote(chain int64, b []byte) (n store.Note, err error) {
	if len(b) == 0 || b[0] != bodyVersion {
		return n, errBody
	}
	d := reader{b: b[1:]}
	n = store.Note{Chain: uint64(chain), At: moment(d.varint()), Tokens: int(d.varint())}
	n.Records = make([]record.ID, d.count(16))
	for i := range n.Records {
		copy(n.Records[i][:], d.bytes(16))
	}
	n.Text = string(d.b)
	if d.bad {
		return store.Note{}, errBody
	}
	return n, nil
}
