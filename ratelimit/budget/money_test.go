package budget

import (
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDecimals(t *testing.T) {
	for text, want := range map[string]Money{
		"0": 0, "1": 1e9, "2.50": 25e8, "0.000000001": 1, "0.0000000010": 1, "007": 7e9, "9223372036.854775807": math.MaxInt64,
	} {
		if got, err := ParseMoney(text); err != nil || got != want {
			t.Errorf("%q: %d %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", ".5", "1.", ".", "-1", "+1", "1e3", "1,5", " 1", "0.0000000001", "9223372036.854775808", "1.2.3", "٣"} {
		if got, err := ParseMoney(text); err == nil {
			t.Errorf("%q was read as %d", text, got)
		}
	}
	if n, err := ParseLimit(Tokens, "1000"); err != nil || n != 1000 {
		t.Error(n, err)
	}
	for u, text := range map[Unit]string{Tokens: "1.5", Requests: "0", USD: "0.00"} {
		if n, err := ParseLimit(u, text); err == nil {
			t.Errorf("%s %q was read as %d", u, text, n)
		}
	}
	var m Money
	var r Rate
	if err := m.UnmarshalText([]byte("1.25")); err != nil || m != 125e7 {
		t.Error(m, err)
	}
	if err := r.UnmarshalText([]byte("0.0375")); err != nil || r != 37500 {
		t.Error(r, err)
	}
	if s := Money(-1_500_000_000).String(); s != "-1.5" {
		t.Error(s)
	}
}

func FuzzDecimal(f *testing.F) {
	for _, s := range []string{"0", "1.5", "0.000000001", "00.10", "-1", "1e9", "999999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMoney(s)
		exact, ok := new(big.Rat).SetString(s)
		if err != nil {
			return
		}
		if !ok {
			t.Fatalf("%q was read as %d and is no number", s, m)
		}
		if exact.Mul(exact, big.NewRat(1e9, 1)).Cmp(new(big.Rat).SetInt64(int64(m))) != 0 {
			t.Fatalf("%q was read as %d", s, m)
		}
		if again, err := ParseMoney(m.String()); err != nil || again != m {
			t.Fatalf("%d is written as %q, which reads %d, %v", m, m, again, err)
		}
	})
}

// Whatever is used at whatever price, the cost is the exact one, rounded up to a nano-dollar.
func TestCostIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Int64Range(0, maxRate)
		n := rapid.Int64Range(0, maxTokens)
		cached, write := Rate(rate.Draw(t, "cached")), Rate(rate.Draw(t, "write"))
		p := Price{Input: Rate(rate.Draw(t, "input")), Output: Rate(rate.Draw(t, "output")), Cached: &cached, Write: &write}
		u := Usage{Input: n.Draw(t, "in"), Output: n.Draw(t, "out")}
		u.Cached = rapid.Int64Range(0, u.Input).Draw(t, "read")
		u.Write = rapid.Int64Range(0, u.Input-u.Cached).Draw(t, "written")
		want := new(big.Int)
		for _, part := range []struct {
			n int64
			r Rate
		}{{u.Input - u.Cached - u.Write, p.Input}, {u.Cached, cached}, {u.Write, write}, {u.Output, p.Output}} {
			want.Add(want, new(big.Int).Mul(big.NewInt(part.n), big.NewInt(int64(part.r))))
		}
		want.Add(want, big.NewInt(999)).Div(want, big.NewInt(1000))
		if !want.IsInt64() {
			want.SetInt64(math.MaxInt64)
		}
		if got := p.Cost(u); int64(got) != want.Int64() {
			t.Fatalf("%+v costs %d, want %d", u, got, want)
		}
	})
}

func TestUsageThatCannotBe(t *testing.T) {
	got := Usage{Input: 10, Cached: 20, Write: 5, Output: -3}.clean()
	if got != (Usage{Input: 10, Cached: 10}) {
		t.Errorf("%+v", got)
	}
	p := Price{Input: 1000, Output: 1000}
	if c := p.Cost(Usage{Input: math.MaxInt64, Output: math.MinInt64}); c != maxTokens {
		t.Error(c)
	}
	if s := p.Saved(Usage{Input: 10, Cached: 5}); s != 0 {
		t.Errorf("without a price for cached tokens %d were saved", s)
	}
	if add(math.MaxInt64, 1) != math.MaxInt64 || add(math.MinInt64, -1) != math.MinInt64 || add(2, -3) != -1 {
		t.Error("sums overflow")
	}
}

func TestCheck(t *testing.T) {
	c := config(hard(PerTenant, Tokens, 1, Day), hard(PerTenant, USD, 1, Day))
	for models, ok := range map[string]bool{
		"big-1,odd": true, "big*": true, "big-*": true, "b*": false, "*": false, "big-1,gpt": false, "": true,
	} {
		var list []string
		if models != "" {
			list = strings.Split(models, ",")
		}
		err := Check(&c, list)
		if (err == nil) != ok {
			t.Errorf("%q: %v", models, err)
		}
		if err != nil && (!strings.Contains(err.Error(), "tenants[0].budgets[1]") || !strings.Contains(err.Error(), "hint:")) {
			t.Errorf("%q: %v", models, err)
		}
	}
	free := config(hard(PerTenant, Tokens, 1, Day))
	if err := Check(&free, []string{"*"}); err != nil {
		t.Errorf("without a money budget: %v", err)
	}
}

func TestBounds(t *testing.T) {
	at := func(s string) time.Time {
		tm, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return tm
	}
	for _, c := range []struct {
		w               Window
		now, start, end string
	}{
		{Minute, "2026-11-05T10:30:59Z", "2026-11-05T10:30:00Z", "2026-11-05T10:31:00Z"},
		{Hour, "2026-11-05T23:00:00Z", "2026-11-05T23:00:00Z", "2026-11-06T00:00:00Z"},
		{Day, "2026-11-05T01:00:00+02:00", "2026-11-04T00:00:00Z", "2026-11-05T00:00:00Z"},
		{Month, "2028-02-29T23:59:59Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"},
		{Month, "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		{Day, "1969-12-31T23:59:59Z", "1969-12-31T00:00:00Z", "1970-01-01T00:00:00Z"},
	} {
		if start, end := c.w.Bounds(at(c.now)); !start.Equal(at(c.start)) || !end.Equal(at(c.end)) {
			t.Errorf("%s of %s: %v to %v", c.w, c.now, start, end)
		}
	}
}

func TestWords(t *testing.T) {
	for _, name := range perNames {
		if p, err := ParsePer(name); err != nil || p.String() != name {
			t.Error(name, p, err)
		}
	}
	for _, name := range unitNames {
		if u, err := ParseUnit(name); err != nil || u.String() != name {
			t.Error(name, u, err)
		}
	}
	for _, name := range windowNames {
		if w, err := ParseWindow(name); err != nil || w.String() != name {
			t.Error(name, w, err)
		}
	}
	for _, name := range modeNames {
		if m, err := ParseMode(name); err != nil || m.String() != name {
			t.Error(name, m, err)
		}
	}
	if _, err := ParseWindow("week"); err == nil || !strings.Contains(err.Error(), "minute hour day month") {
		t.Error(err)
	}
}
