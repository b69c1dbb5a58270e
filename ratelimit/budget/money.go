package budget

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// Money is an amount in nano-dollars. Its text is in dollars.
type Money int64

// Rate is a price in pico-dollars for a token, which is micro-dollars for a million tokens: a price in dollars for a million
// tokens with up to six decimals is exact. Its text is in dollars for a million tokens.
type Rate int64

const (
	nanoDigits = 9
	rateDigits = 6
	maxRate    = 1_000_000 * 1_000_000 // a dollar for a token
	maxTokens  = 1 << 40               // of one attempt; more is a bug of who counts
)

// ParseMoney reads dollars with up to nine decimals.
func ParseMoney(s string) (Money, error) {
	n, err := parseDecimal(s, nanoDigits)
	return Money(n), err
}

// ParseRate reads dollars for a million tokens with up to six decimals.
func ParseRate(s string) (Rate, error) {
	n, err := parseDecimal(s, rateDigits)
	return Rate(n), err
}

// UnmarshalText makes ParseMoney available to decoders.
func (m *Money) UnmarshalText(b []byte) (err error) { *m, err = ParseMoney(string(b)); return err }

// UnmarshalText makes ParseRate available to decoders.
func (r *Rate) UnmarshalText(b []byte) (err error) { *r, err = ParseRate(string(b)); return err }

// MarshalText is String.
func (m Money) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// MarshalText is String.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// String is exact, with as few decimals as that needs.
func (m Money) String() string { return formatDecimal(int64(m), nanoDigits) }

// String is exact, with as few decimals as that needs.
func (r Rate) String() string { return formatDecimal(int64(r), rateDigits) }

// parseDecimal reads digits with at most the given number of decimals as an integer in units of the last one. No sign, no
// exponent, nothing that would have to be rounded.
func parseDecimal(s string, decimals int) (int64, error) {
	whole, part, dot := strings.Cut(s, ".")
	if part = strings.TrimRight(part, "0"); len(part) > decimals {
		return 0, fmt.Errorf("%q: more than %d decimals", s, decimals)
	}
	if whole == "" || dot && s[len(s)-1] == '.' || strings.ContainsFunc(whole+part, notDigit) {
		return 0, fmt.Errorf("%q: not a number of digits", s)
	}
	n, err := strconv.ParseInt(whole+part+strings.Repeat("0", decimals-len(part)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q: too large", s)
	}
	return n, nil
}

func notDigit(r rune) bool { return r < '0' || r > '9' }

func formatDecimal(n int64, decimals int) string {
	sign := ""
	u := uint64(n)
	if n < 0 {
		sign, u = "-", -u
	}
	s := strconv.FormatUint(u, 10)
	if missing := decimals + 1 - len(s); missing > 0 {
		s = strings.Repeat("0", missing) + s
	}
	whole, part := s[:len(s)-decimals], strings.TrimRight(s[len(s)-decimals:], "0")
	if part != "" {
		whole += "." + part
	}
	return sign + whole
}

// add saturates: a sum that is too large stays too large, and never turns into a credit.
func add(a, b int64) int64 {
	s := a + b
	if b > 0 && s < a {
		return math.MaxInt64
	}
	if b < 0 && s > a {
		return math.MinInt64
	}
	return s
}

// A wide is a sum in pico-dollars.
type wide struct{ hi, lo uint64 }

func (w wide) plus(tokens int64, r Rate) wide {
	hi, lo := bits.Mul64(uint64(tokens), uint64(r))
	var carry uint64
	w.lo, carry = bits.Add64(w.lo, lo, 0)
	w.hi, _ = bits.Add64(w.hi, hi, carry)
	return w
}

// money rounds up to a nano-dollar, once for a whole attempt: never below what is billed.
func (w wide) money() Money {
	lo, carry := bits.Add64(w.lo, 999, 0)
	hi := w.hi + carry
	if hi >= 1000 {
		return math.MaxInt64
	}
	q, _ := bits.Div64(hi, lo, 1000)
	if q > math.MaxInt64 {
		return math.MaxInt64
	}
	return Money(q)
}

// format shows an amount of a unit.
func (u Unit) format(n int64) string {
	if u == USD {
		return Money(n).String()
	}
	return strconv.FormatInt(n, 10)
}
