package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// maxDuration keeps a slip of the unit from becoming "for ever".
const maxDuration = 365 * 24 * time.Hour

// ParseDuration reads a time in Go's notation. Negative times and times over a year are refused.
func ParseDuration(text string) (Duration, error) {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, errors.New("must be a duration")
	case d < 0:
		return 0, errors.New("must not be negative")
	case d > maxDuration:
		return 0, errors.New("must be at most a year (8760h)")
	}
	return Duration(d), nil
}

// String returns the notation that ParseDuration reads, without zero units: 5m, not 5m0s.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

var sizeUnits = map[string]int64{
	"": 1, "B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
	"KB": 1e3, "MB": 1e6, "GB": 1e9, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30,
}

// ParseSize reads a number of bytes: 64MiB, 64Mi, 64M (the same), 64MB (decimal), 4096. Fractions are allowed before a unit.
func ParseSize(text string) (Size, error) {
	number := strings.TrimRight(text, "KMGiB ")
	unit, ok := sizeUnits[strings.TrimLeft(text[len(number):], " ")]
	if !ok || number == "" {
		return 0, errors.New("must be a size")
	}
	if n, err := strconv.ParseInt(number, 10, 64); err == nil {
		if n < 0 {
			return 0, errors.New("must not be negative")
		}
		if n > math.MaxInt64/unit {
			return 0, errors.New("is too large")
		}
		return Size(n * unit), nil
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || strings.ContainsAny(number, "eExXpP_nN") || f < 0 || unit == 1 {
		return 0, errors.New("must be a size")
	}
	if f*float64(unit) >= math.MaxInt64 {
		return 0, errors.New("is too large")
	}
	return Size(f * float64(unit)), nil
}

// String returns the shortest exact notation.
func (s Size) String() string {
	for _, u := range []struct {
		name string
		n    Size
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if s >= u.n && s%u.n == 0 {
			return fmt.Sprintf("%d%s", s/u.n, u.name)
		}
	}
	return strconv.FormatInt(int64(s), 10)
}
