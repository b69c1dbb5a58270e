package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/zeebo/xxh3"
)

// errDamaged is what reading a stored form returns that was changed since it was written.
var errDamaged = errors.New("damaged: its checksum or form is wrong")

// seal is the stored form of an epoch's record: its xxh3 before it.
func seal(record []byte) []byte {
	b := make([]byte, 8, 8+len(record))
	binary.LittleEndian.PutUint64(b, xxh3.Hash(record))
	return append(b, record...)
}

// unseal returns the record inside, which is a part of sealed.
func unseal(sealed []byte) ([]byte, error) {
	if len(sealed) < 8 || binary.LittleEndian.Uint64(sealed) != xxh3.Hash(sealed[8:]) {
		return nil, errDamaged
	}
	return sealed[8:], nil
}

// One encoder and one decoder serve all stores. Neither runs a goroutine; calls take turns, and all are beside the path.
var (
	encoder = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
		if err != nil {
			panic(err) // the options are constants
		}
		return e
	})
	decoder = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxContent+64))
		if err != nil {
			panic(err)
		}
		return d
	})
)

// pack is the stored form of a content: the lengths of tool and arguments, both, and the body, in one zstd frame with a checksum.
func pack(c *Content) []byte {
	b := make([]byte, 0, c.size()+2*binary.MaxVarintLen32)
	for _, s := range [...]string{c.Tool, c.Args} {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	b = append(b, c.Body...)
	return bytes.Clone(encoder().EncodeAll(b, nil)) // what is kept has no spare room
}

// unpack reads the content of a handle.
func unpack(handle string, packed []byte) (c Content, err error) {
	b, err := decoder().DecodeAll(packed, nil)
	if err != nil {
		return c, fmt.Errorf("%w: %w", errDamaged, err)
	}
	c.Handle = handle
	for _, s := range [...]*string{&c.Tool, &c.Args} {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return Content{}, errDamaged
		}
		*s, b = string(b[size:size+int(n)]), b[size+int(n):]
	}
	c.Body = b
	return c, nil
}
