package config

import (
	"fmt"
	"log/slog"
	"net/url"
)

const redacted = "[redacted]"

// A Secret is text that no form of printing shows. Only Reveal gives it.
type Secret struct{ s *string }

// NewSecret wraps s. An empty s gives the zero Secret.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{&s}
}

// Reveal returns the text, "" for the zero Secret. The result must not be logged, nor put into an error.
func (s Secret) Reveal() string {
	if s.s == nil {
		return ""
	}
	return *s.s
}

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.s == nil }

// String implements fmt.Stringer; like all other forms it hides the text.
func (s Secret) String() string { return redacted }

// Format implements fmt.Formatter, which covers every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return redacted }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON implements json.Marshaler.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalYAML implements yaml.InterfaceMarshaler.
func (s Secret) MarshalYAML() (any, error) { return redacted, nil }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// A ProxyURL is the address of an HTTP(S) proxy. It may hold a password, so printing shows scheme and host only.
type ProxyURL struct {
	text Secret
	u    *url.URL
}

// URL returns the address, nil when requests go direct. It must not be logged.
func (p ProxyURL) URL() *url.URL { return p.u }

// IsZero reports whether nothing was said about a proxy.
func (p ProxyURL) IsZero() bool { return p.text.IsZero() }

// String shows scheme and host, "" for the zero value, "direct" for no proxy.
func (p ProxyURL) String() string {
	switch {
	case p.u != nil:
		return p.u.Scheme + "://" + p.u.Host
	case p.text.IsZero():
		return ""
	}
	return direct
}

// Format implements fmt.Formatter.
func (p ProxyURL) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(p.String())) }

// MarshalText implements encoding.TextMarshaler.
func (p ProxyURL) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// LogValue implements slog.LogValuer.
func (p ProxyURL) LogValue() slog.Value { return slog.StringValue(p.String()) }

const direct = "direct"
