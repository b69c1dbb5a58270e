package store

import (
	"bytes"
	"errors"
	"testing"
)

func FuzzUnpack(f *testing.F) {
	f.Add(pack(&Content{Tool: "bash", Args: "{}", Body: []byte("body")}))
	f.Add(encoder().EncodeAll([]byte{200, 1}, nil))
	f.Add(encoder().EncodeAll([]byte{1, 'a', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, nil))
	f.Add(encoder().EncodeAll(make([]byte, MaxContent+1000), nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := unpack("ctx:1", b)
		if err != nil {
			if !errors.Is(err, errDamaged) {
				t.Errorf("the error is %v", err)
			}
			return
		}
		again, err := unpack("ctx:1", pack(&c))
		if err != nil || again.Tool != c.Tool || again.Args != c.Args || !bytes.Equal(again.Body, c.Body) {
			t.Errorf("%q becomes %q, %v", c, again, err)
		}
	})
}

// A stored form with one bit changed is never taken for sound.
func TestDamageIsFound(t *testing.T) {
	packed := pack(&Content{Tool: "bash", Args: "{}", Body: bytes.Repeat([]byte("body "), 20)})
	sealed := seal([]byte("the record of an epoch"))
	for bit := range 8 * len(packed) {
		b := bytes.Clone(packed)
		b[bit/8] ^= 1 << (bit % 8)
		if c, err := unpack("", b); err == nil && !bytes.Equal(c.Body, bytes.Repeat([]byte("body "), 20)) {
			t.Errorf("bit %d: %q", bit, c)
		}
	}
	for bit := range 8 * len(sealed) {
		b := bytes.Clone(sealed)
		b[bit/8] ^= 1 << (bit % 8)
		if r, err := unseal(b); err == nil {
			t.Errorf("bit %d: %q", bit, r)
		}
	}
	if c, err := unpack("", encoder().EncodeAll(make([]byte, MaxContent+1000), nil)); err == nil {
		t.Errorf("a frame of %d bytes is taken", len(c.Body))
	}
}
