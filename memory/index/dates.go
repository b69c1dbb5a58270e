package index

import (
	"strconv"
	"time"
)

// A span is days that a question names, since 1970: [from, to).
type span struct{ from, to int32 }

var months = map[string]time.Month{
	"january": 1, "february": 2, "march": 3, "april": 4, "may": 5, "june": 6, "july": 7, "august": 8, "september": 9, "october": 10,
	"november": 11, "december": 12, "jan": 1, "feb": 2, "mar": 3, "apr": 4, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "sept": 9, "oct": 10,
	"nov": 11, "dec": 12,
}

// dates are the days that the words of a question name: a year, a month of a year, a day of a month, or days before now.
func dates(raw []string, now time.Time) (out []span) {
	used := make([]bool, len(raw))
	year := 0
	for _, w := range raw {
		if n, err := strconv.Atoi(w); err == nil && len(w) == 4 && n >= 1900 && n < 2200 {
			year = n
		}
	}
	for i, w := range raw {
		m, ok := months[w]
		if !ok || (len(w) == 3 || w == "march") && !beside(raw, i) && (w != "may" && w != "march" || !after(raw, i)) {
			continue // may, march, and short for something else
		}
		day := 0
		for _, j := range [...]int{i - 1, i + 1, i - 2} {
			if j >= 0 && j < len(raw) && !used[j] {
				if n := dayNumber(raw[j]); n > 0 && (j != i-2 || raw[i-1] == "of") {
					day, used[j] = n, true
					break
				}
			}
		}
		years := []int{year}
		if year == 0 {
			years = nil
			if !now.IsZero() {
				years = []int{now.Year(), now.Year() - 1}
			}
		}
		for _, y := range years {
			from := time.Date(y, m, max(day, 1), 0, 0, 0, 0, time.UTC)
			to := from.AddDate(0, 1, 0)
			if day > 0 {
				to = from.AddDate(0, 0, 1)
			}
			out = append(out, span{day32(from), day32(to)})
		}
	}
	if len(out) == 0 && year != 0 {
		from := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		out = append(out, span{day32(from), day32(from.AddDate(1, 0, 0))})
	}
	if len(out) == 0 && !now.IsZero() {
		out = relative(raw, now)
	}
	return out
}

func day32(t time.Time) int32 { return day(t) }

// beside reports whether a number stands next to a word: then a word that has another meaning is a month.
func beside(raw []string, i int) bool {
	is := func(j int) bool { return j >= 0 && j < len(raw) && raw[j][0] >= '0' && raw[j][0] <= '9' }
	return is(i-1) || is(i+1)
}

// after reports whether a word stands after one that times stand after.
func after(raw []string, i int) bool {
	if i == 0 {
		return false
	}
	switch raw[i-1] {
	case "in", "since", "during", "of", "last", "this", "by", "until", "early", "late", "mid":
		return true
	}
	return false
}

func dayNumber(w string) int {
	for _, tail := range [...]string{"st", "nd", "rd", "th"} {
		if len(w) > 2 && w[len(w)-2:] == tail {
			w = w[:len(w)-2]
			break
		}
	}
	if n, err := strconv.Atoi(w); err == nil && n >= 1 && n <= 31 && len(w) <= 2 {
		return n
	}
	return 0
}

// relative are days before now that the words name.
func relative(raw []string, now time.Time) []span {
	at := day(now)
	length := map[string]int32{"week": 7, "weeks": 7, "month": 30, "months": 30, "year": 365, "years": 365, "day": 1, "days": 1}
	for i, w := range raw {
		switch w {
		case "today", "tonight":
			return []span{{at, at + 1}}
		case "yesterday":
			return []span{{at - 1, at}}
		case "last", "past":
			if i+1 < len(raw) {
				if n := length[raw[i+1]]; n > 0 {
					return []span{{at - 2*n, at}}
				}
			}
		case "ago":
			if i >= 2 {
				n := length[raw[i-1]]
				k, err := strconv.Atoi(raw[i-2])
				if raw[i-2] == "a" || raw[i-2] == "an" {
					k, err = 1, nil
				}
				if n > 0 && err == nil && k > 0 && k < 1000 {
					d := at - n*int32(k)
					return []span{{d - n/2, d + n/2 + 1}}
				}
			}
		}
	}
	return nil
}
