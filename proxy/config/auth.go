package config

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
)

// An authTable finds the tenant of a key. It holds salted digests: looking one up takes a time that tells nothing about the
// keys, however many there are, and a dump of the table shows none.
type authTable struct {
	salt    [16]byte
	tenants map[[sha256.Size]byte]string
}

func (t *authTable) digest(key []byte) [sha256.Size]byte {
	var buf [256]byte
	return sha256.Sum256(append(append(buf[:0], t.salt[:]...), key...))
}

// HasAuth reports whether calls must present a key.
func (s *Snapshot) HasAuth() bool { return s.auth != nil }

// AuthName returns the tenant that a key stands for. The time it takes depends on the length of the key only.
func (s *Snapshot) AuthName(key []byte) (name string, ok bool) {
	if s.auth == nil || len(key) == 0 || len(key) > maxSecret {
		return "", false
	}
	name, ok = s.auth.tenants[s.auth.digest(key)]
	return name, ok
}

func (b *builder) authKeys() {
	if b.cfg.Auth == nil {
		return
	}
	t := &authTable{tenants: map[[sha256.Size]byte]string{}}
	_, _ = rand.Read(t.salt[:]) // never fails
	b.snap.auth = t
	if len(b.cfg.Auth.Keys) == 0 {
		b.wrong("auth.keys", "remove auth to let every local agent in", "needs at least one key")
	}
	first := map[[sha256.Size]byte]int{}
	for i, k := range b.cfg.Auth.Keys {
		key := fmt.Sprintf("auth.keys[%d]", i)
		if !validName(k.Name) {
			b.wrong(key+".name", "", "must be 1 to 64 letters, digits, '.', '_' or '-' (got %q)", shorten(k.Name))
		}
		if !b.ok(key+".key") || k.Key == nil {
			continue
		}
		secret := b.secret(key+".key", k.Key)
		if secret.IsZero() {
			continue
		}
		digest := t.digest([]byte(secret.Reveal()))
		if j, dup := first[digest]; dup {
			b.wrong(key+".key", "every key stands for one tenant", "is the same secret as auth.keys[%d].key", j)
			continue
		}
		first[digest] = i
		t.tenants[digest] = k.Name
	}
}
