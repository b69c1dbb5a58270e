package decide

import (
	"strconv"
	"strings"
	"time"

	"github.com/trapgate/trapgate/memory/record"
)

// number reads "3", "three", "a couple of".
func (f *dater) number(i int) (v, n int) {
	w := f.norm(i)
	if len(w) <= 4 && w != "" && w[0] >= '0' && w[0] <= '9' {
		if v, err := strconv.Atoi(w); err == nil {
			return v, 1
		}
		return 0, 0
	}
	if w == "a" && f.norm(i+1) == "couple" || w == "a" && f.norm(i+1) == "few" {
		i, n = i+1, 1
		w = f.norm(i)
	}
	if v = f.c.numbers[w]; v == 0 {
		return 0, 0
	}
	if n++; (w == "couple" || w == "few") && f.norm(i+1) == "of" {
		n++
	}
	return v, n
}

// count is "three days ago", "in two weeks", "vor drei Tagen", "hace un mes", "two weeks from now", "the last three days".
func (f *dater) count(i int) (record.Interval, int) {
	if f.norm(i) == "the" {
		i2, n := f.span(i + 1)
		if n > 0 {
			return i2, n + 1
		}
		return record.Interval{}, 0
	}
	if span, n := f.span(i); n > 0 {
		return span, n
	}
	sign, j := 0, i
	if _, n := f.phraseSet(f.c.agoBefore, i); n > 0 {
		sign, j = -1, i+n
	} else if _, n := f.phraseSet(f.c.inBefore, i); n > 0 {
		sign, j = 1, i+n
	}
	v, n := f.number(j)
	if n == 0 {
		return record.Interval{}, 0
	}
	j += n
	unit := f.c.units[f.norm(j)]
	if unit == "" {
		return record.Interval{}, 0
	}
	j++
	if sign >= 0 {
		if f.c.agoAfter[f.norm(j)] {
			return f.away(unit, -v), j + 1 - i
		}
		if _, m := f.phraseSet(f.c.inAfter, j); m > 0 && sign == 0 {
			return f.away(unit, v), j + m - i
		}
	}
	if sign == 0 {
		return record.Interval{}, 0
	}
	return f.away(unit, sign*v), j - i
}

// phraseSet looks up phrases of a set, of up to three words.
func (f *dater) phraseSet(set map[string]bool, i int) (string, int) {
	if !f.c.heads[f.norm(i)] {
		return "", 0
	}
	text, found, length := "", "", 0
	for n := 1; n <= 3 && i+n <= len(f.toks); n++ {
		if text += " " + f.norm(i+n-1); set[text[1:]] {
			found, length = text[1:], n
		}
	}
	return found, length
}

// span is "last three days", "next two weeks".
func (f *dater) span(i int) (record.Interval, int) {
	shift, ok := f.c.shifts[f.norm(i)]
	if !ok || shift == 0 {
		return record.Interval{}, 0
	}
	v, n := f.number(i + 1)
	unit := f.c.units[f.norm(i+1+n)]
	if n == 0 || unit == "" || v > 10000 {
		return record.Interval{}, 0
	}
	far := f.away(unit, shift*v)
	if shift < 0 {
		return record.Interval{From: far.From, To: f.day.AddDate(0, 0, 1)}, n + 2
	}
	return record.Interval{From: f.day, To: far.To}, n + 2
}

// away is the hour, day, week, month or year that is v of them away. A week away is known to the day only roughly: three days around.
func (f *dater) away(unit string, v int) record.Interval {
	if v > 10000 || v < -10000 {
		return record.Interval{}
	}
	switch unit {
	case "hour":
		at := f.at.Add(time.Duration(v) * time.Hour).Truncate(time.Minute)
		return record.Interval{From: at, To: at.Add(time.Hour)}
	case "week", "weekend":
		return f.days(f.day.AddDate(0, 0, 7*v-1), 3)
	case "month":
		first := time.Date(f.day.Year(), f.day.Month()+time.Month(v), 1, 0, 0, 0, 0, f.day.Location())
		return record.Interval{From: first, To: first.AddDate(0, 1, 0)}
	case "quarter":
		return f.quarter(v)
	case "year", "season":
		return f.wholeYear(f.day.Year() + v)
	}
	return f.days(f.day.AddDate(0, 0, v), 1)
}

func (f *dater) wholeYear(y int) record.Interval {
	from := time.Date(y, 1, 1, 0, 0, 0, 0, f.day.Location())
	return record.Interval{From: from, To: from.AddDate(1, 0, 0)}
}

func (f *dater) quarter(v int) record.Interval {
	from := time.Date(f.day.Year(), (f.day.Month()-1)/3*3+1+time.Month(3*v), 1, 0, 0, 0, 0, f.day.Location())
	return record.Interval{From: from, To: from.AddDate(0, 3, 0)}
}

func (f *dater) monday() time.Time { return f.day.AddDate(0, 0, -(int(f.day.Weekday())+6)%7) }

// shifted is "last week", "next Monday", "this weekend", "la semaine dernière", "next May", "last summer".
func (f *dater) shifted(i int) (record.Interval, int) {
	if shift, ok := f.c.shifts[f.norm(i)]; ok {
		if span, n := f.named(i+1, shift, f.norm(i) == "this"); n > 0 {
			return span, n + 1
		}
		return record.Interval{}, 0
	}
	for n := 1; n <= 3; n++ { // the shift stands after the noun
		k := i + n
		if f.norm(k) == "que" {
			k++
		}
		if shift, ok := f.c.shifts[f.norm(k)]; ok && shift != 0 && f.norm(k) != "last" && f.norm(k) != "next" && f.norm(k) != "past" {
			if span, m := f.named(i, shift, false); m == n {
				return span, k + 1 - i
			}
		}
	}
	return record.Interval{}, 0
}

// named is a unit, a weekday, a month or a season, moved by shift.
func (f *dater) named(i, shift int, this bool) (record.Interval, int) {
	if wd, n := phrase(f, f.c.weekdays, i); n > 0 {
		return f.weekdayAt(wd, shift), n
	}
	if m := f.c.months[f.norm(i)]; m > 0 {
		y := f.day.Year()
		switch {
		case shift < 0 && m >= int(f.day.Month()):
			y--
		case shift > 0 && m <= int(f.day.Month()):
			y++
		}
		return f.wholeMonth(y, m), 1
	}
	unit, n := phrase(f, f.c.units, i)
	if n == 0 {
		return record.Interval{}, 0
	}
	switch unit {
	case "week":
		return f.days(f.monday().AddDate(0, 0, 7*shift), 7), n
	case "weekend":
		sat := f.monday().AddDate(0, 0, 5)
		if shift != 0 {
			sat = sat.AddDate(0, 0, 7*shift)
		}
		return f.days(sat, 2), n
	case "season":
		return f.season(f.norm(i), shift), n
	case "night", "morning", "day":
		if unit == "day" && this {
			return record.Interval{}, 0
		}
		return f.days(f.day.AddDate(0, 0, shift), 1), n
	case "hour":
		return record.Interval{}, 0
	}
	return f.away(unit, shift), n
}

// weekdayAt is the weekday (Monday 1 to Sunday 7) before today, or the next from today (0) or tomorrow (1) on.
func (f *dater) weekdayAt(wd, shift int) record.Interval {
	today := (int(f.day.Weekday())+6)%7 + 1
	delta := wd - today
	switch {
	case shift < 0 && delta >= 0:
		delta -= 7
	case shift == 0 && delta < 0, shift > 0 && delta <= 0:
		delta += 7
	}
	return f.days(f.day.AddDate(0, 0, delta), 1)
}

func (f *dater) season(name string, shift int) record.Interval {
	first := map[string]time.Month{"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}[name]
	y, now := f.day.Year(), f.day.Month()
	switch {
	case shift < 0 && now < first+3:
		y--
	case shift > 0 && now >= first:
		y++
	}
	from := time.Date(y, first, 1, 0, 0, 0, 0, f.day.Location())
	return record.Interval{From: from, To: from.AddDate(0, 3, 0)}
}

// weekday is a bare weekday: the next one. Short forms that are words too need a capital.
func (f *dater) weekday(i int) (record.Interval, int) {
	wd, n := phrase(f, f.c.weekdays, i)
	if n == 0 || len(f.norm(i)) <= 4 && n == 1 && !f.toks[i].upper {
		return record.Interval{}, 0
	}
	return f.weekdayAt(wd, 0), n
}

// month is "May 2024", or "in May".
func (f *dater) month(i int) (record.Interval, int) {
	m := f.c.months[f.norm(i)]
	if m == 0 {
		return record.Interval{}, 0
	}
	if y, n := f.yearAt(i + 1); n > 0 {
		return f.wholeMonth(y, m), n + 1
	}
	switch f.norm(i - 1) {
	case "in", "im", "en", "em", "since", "seit", "until", "till", "by", "of", "during", "early", "late", "mid", "depuis", "desde":
	default:
		return record.Interval{}, 0
	}
	if !f.toks[i].upper && len(f.norm(i)) <= 3 {
		return record.Interval{}, 0
	}
	y := f.day.Year()
	if d := m - int(f.day.Month()); d > 6 {
		y--
	} else if d < -6 {
		y++
	}
	return f.wholeMonth(y, m), 1
}

// ordinal is "the 12th": of this month, or of the next when it is over.
func (f *dater) ordinal(i int) (record.Interval, int) {
	if f.norm(i) != "the" {
		return record.Interval{}, 0
	}
	d, n, suffixed := f.dayNumber(i + 1)
	next := i + 1 + n
	if !suffixed || next < len(f.toks) && !f.toks[next].mark && !strings.Contains(" at and or in to instead ", " "+f.norm(next)+" ") {
		return record.Interval{}, 0
	}
	y, m := f.day.Year(), int(f.day.Month())
	if d < f.day.Day() {
		m++
	}
	at := time.Date(y, time.Month(m), d, 0, 0, 0, 0, f.day.Location())
	if at.Day() != d {
		return record.Interval{}, 0
	}
	return f.days(at, 1), 1 + 1
}

// year is "in 2022", "since 2019".
func (f *dater) year(i int) (record.Interval, int) {
	switch f.norm(i - 1) {
	case "in", "since", "until", "by", "of", "during", "before", "after", "around",
		"seit", "en", "depuis", "desde", "nel", "dal", "em", "sinds":
	default:
		return record.Interval{}, 0
	}
	y, n := f.yearAt(i)
	if n != 1 {
		return record.Interval{}, 0
	}
	return f.wholeYear(y), 1
}
