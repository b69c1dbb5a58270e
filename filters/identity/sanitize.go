package identity

import (
	"encoding/binary"
	"encoding/hex"

	"github.com/zeebo/xxh3"
)

// maxName bounds every name that an agent gives us, in bytes.
const maxName = 128

// clean makes a bounded printable name of what an agent sent. A value that had to be changed ends in a hash of the original,
// so that two values which differ never become one name.
func clean(b []byte) string {
	if plain(b) {
		return string(b)
	}
	out := make([]byte, 0, maxName)
	for _, c := range b {
		if len(out) == maxName-17 {
			break
		}
		if !nameByte(c) {
			c = '_'
		}
		out = append(out, c)
	}
	out = append(out, '~')
	return string(hex.AppendEncode(out, binary.BigEndian.AppendUint64(nil, xxh3.Hash(b))))
}

func plain(b []byte) bool {
	if len(b) > maxName {
		return false
	}
	for _, c := range b {
		if !nameByte(c) {
			return false
		}
	}
	return true
}

// nameByte leaves out '~', which marks a changed name, and all that quoting, logs or paths could trip over.
func nameByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	switch c {
	case '-', '_', '.', ':', '/', '@', '+', '=', '|', '#':
		return true
	}
	return false
}
