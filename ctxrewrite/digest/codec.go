package digest

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/trapgate/trapgate/ctxrewrite/tokens"
)

// version is the first byte of the binary form. A digest of another version is not read: it is built again.
const version = 2

// errVersion is returned by UnmarshalBinary for bytes of another version.
var errVersion = errors.New("digest: stored in another version")

// MarshalBinary is the form in which a digest is stored: a version byte and JSON. Equal digests give equal bytes.
func (d *Digest) MarshalBinary() ([]byte, error) {
	if d == nil {
		d = &Digest{}
	}
	b, err := json.Marshal(&d.state)
	if err != nil {
		return nil, fmt.Errorf("digest: %w", err)
	}
	return append([]byte{version}, b...), nil
}

// UnmarshalBinary reads what MarshalBinary wrote. Bytes that would not give escaped content are an error, and d stays as it was.
func (d *Digest) UnmarshalBinary(b []byte) error {
	if len(b) == 0 || b[0] != version {
		return errVersion
	}
	var n Digest
	if err := json.Unmarshal(b[1:], &n.state); err != nil {
		return fmt.Errorf("digest: %w", err)
	}
	n.render()
	if !content(n.text) {
		return errors.New("digest: the stored text is damaged")
	}
	n.tokens = tokens.Estimate(unescape(n.text))
	*d = n
	return nil
}
