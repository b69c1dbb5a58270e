package decide

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/trapgate/trapgate/memory/record"
)

// dated is a date in a text.
type dated struct {
	record.Interval
	start, end int // bytes
}

// Times returns what the dates of a text mean when it was said at a time, in order of the text: "yesterday", "on 3 May", "in two
// weeks", "the 12th". They are whole days, weeks, months or years of the time's own calendar, and hours from it. A date without a
// year, or without a month, is the nearest one; a weekday the next one, unless "last" stands before it.
func Times(text string, at time.Time) []record.Interval {
	var out []record.Interval
	for _, d := range findTimes(tokenize(nil, text, 0, len(text)), at) {
		out = append(out, d.Interval)
	}
	return out
}

// A calendar is the words of dates.
type calendar struct {
	days, months, weekdays, numbers, shifts   map[string]int
	units                                     map[string]string
	agoAfter, agoBefore, inBefore, inAfter, f map[string]bool
	first, heads                              map[string]bool // words that phrases begin with: of counts, of sets
	starts                                    map[string]bool // words that dates begin with
}

var calendarWords = sync.OnceValue(func() *calendar {
	c := &calendar{
		days: map[string]int{}, months: map[string]int{}, weekdays: map[string]int{}, numbers: map[string]int{},
		shifts: map[string]int{},
		units:  map[string]string{}, agoAfter: map[string]bool{}, agoBefore: map[string]bool{}, inBefore: map[string]bool{},
		inAfter: map[string]bool{}, f: map[string]bool{}, first: map[string]bool{}, heads: map[string]bool{},
		starts: map[string]bool{"the": true},
	}
	counts := map[string]map[string]int{
		"days": c.days, "months": c.months, "weekdays": c.weekdays, "numbers": c.numbers, "shifts": c.shifts,
	}
	sets := map[string]map[string]bool{
		"ago after": c.agoAfter, "ago before": c.agoBefore, "in before": c.inBefore, "in after": c.inAfter, "filler": c.f,
	}
	lines("times", func(head, line string) {
		if set, ok := sets[head]; ok {
			addWords(set, line)
			for w := range set {
				head, _, _ := strings.Cut(w, " ")
				c.heads[head], c.starts[head] = true, true
			}
			return
		}
		named := map[string]string{}
		addNamed(named, line)
		for w, name := range named {
			if count, ok := counts[head]; ok {
				n, err := strconv.Atoi(name)
				if err != nil {
					panic(err)
				}
				count[w] = n
			} else {
				c.units[w] = name
			}
			first, _, several := strings.Cut(w, " ")
			c.starts[first] = true
			if several {
				c.first[first] = true
			}
		}
	})
	return c
})

// A dater finds dates in tokens.
type dater struct {
	c    *calendar
	toks []token
	at   time.Time
	day  time.Time // the beginning of at's day
}

func findTimes(toks []token, at time.Time) (out []dated) {
	y, m, d := at.Date()
	if y < 1 || y > 9000 {
		return nil
	}
	f := &dater{c: calendarWords(), toks: toks, at: at, day: time.Date(y, m, d, 0, 0, 0, 0, at.Location())}
	for i := 0; i < len(f.toks) && len(out) < 64; {
		span, n := f.date(i)
		if n == 0 {
			i++
			continue
		}
		if span.From.Before(span.To) && span.From.Year() > 0 && span.To.Year() < 10000 {
			out = append(out, dated{span, f.toks[i].start, f.toks[i+n-1].end})
		}
		i += n
	}
	return out
}

func (f *dater) norm(i int) string {
	if i >= 0 && i < len(f.toks) {
		return f.toks[i].norm
	}
	return ""
}

// phrase looks a run of one to four tokens up, the longest first.
func phrase[V any](f *dater, m map[string]V, i int) (v V, n int) {
	w := f.norm(i)
	if w == "" {
		return v, 0
	}
	if f.c.first[w] {
		for n = min(4, len(f.toks)-i); n > 1; n-- {
			parts := make([]string, n)
			for k := range parts {
				parts[k] = f.norm(i + k)
			}
			if v, ok := m[strings.Join(parts, " ")]; ok {
				return v, n
			}
		}
	}
	if v, ok := m[w]; ok {
		return v, 1
	}
	return v, 0
}

// date reads a date at token i and says how many tokens it takes.
func (f *dater) date(i int) (record.Interval, int) {
	t := &f.toks[i]
	if t.mark || !f.c.starts[t.norm] && (t.norm[0] < '0' || t.norm[0] > '9') {
		return record.Interval{}, 0
	}
	if t.norm == "the" && i+1 < len(f.toks) { // the commonest word that can begin a date
		if next := f.toks[i+1].norm; !f.c.starts[next] && (next[0] < '0' || next[0] > '9') {
			return record.Interval{}, 0
		}
	}
	for _, read := range [...]func(int) (record.Interval, int){
		f.numeric, f.dayWord, f.dayMonth, f.count, f.shifted, f.ordinal, f.month, f.weekday, f.year,
	} {
		if span, n := read(i); n > 0 {
			return span, n
		}
	}
	return record.Interval{}, 0
}

func (f *dater) days(from time.Time, n int) record.Interval {
	return record.Interval{From: from, To: from.AddDate(0, 0, n)}
}

func (f *dater) make(y, m, d int) (record.Interval, bool) {
	if y < 1 || y > 9998 || m < 1 || m > 12 || d < 1 || d > 31 {
		return record.Interval{}, false
	}
	t := time.Date(y, time.Month(m), d, 0, 0, 0, 0, f.day.Location())
	return f.days(t, 1), t.Day() == d
}

// numeric is 2024-05-03, 2024/5/3, 3.5.2024, 5/3/2024 (month first, unless it cannot be), 2024-05.
func (f *dater) numeric(i int) (record.Interval, int) {
	w := f.norm(i)
	if w[0] < '0' || w[0] > '9' || len(w) > 32 {
		return record.Interval{}, 0
	}
	if cut := strings.IndexByte(w, 't'); cut == 10 {
		w = w[:cut]
	}
	sep := strings.IndexAny(w, "-./")
	if sep < 0 {
		return record.Interval{}, 0
	}
	mark := w[sep : sep+1]
	var n [3]int
	parts := strings.Split(w, mark)
	if len(parts) > 3 {
		return record.Interval{}, 0
	}
	for k, p := range parts {
		v, err := strconv.Atoi(p)
		if err != nil || len(p) > 4 {
			return record.Interval{}, 0
		}
		n[k] = v
	}
	var span record.Interval
	var ok bool
	switch {
	case len(parts) == 3 && len(parts[0]) == 4:
		span, ok = f.make(n[0], n[1], n[2])
	case len(parts) == 2 && mark == "-" && len(parts[0]) == 4 && len(parts[1]) == 2 && n[1] >= 1 && n[1] <= 12:
		return f.wholeMonth(n[0], n[1]), 1
	case len(parts) == 3 && len(parts[2]) == 4 && (mark == "." || n[0] > 12):
		span, ok = f.make(n[2], n[1], n[0])
	case len(parts) == 3 && len(parts[2]) == 4:
		span, ok = f.make(n[2], n[0], n[1])
	}
	if !ok {
		return record.Interval{}, 0
	}
	return span, 1
}

func (f *dater) wholeMonth(y, m int) record.Interval {
	from := time.Date(y, time.Month(m), 1, 0, 0, 0, 0, f.day.Location())
	return record.Interval{From: from, To: from.AddDate(0, 1, 0)}
}

func (f *dater) dayWord(i int) (record.Interval, int) {
	skip := 0
	if f.norm(i) == "the" && f.norm(i+1) == "day" {
		skip = 1
	}
	d, n := phrase(f, f.c.days, i+skip)
	greeting := f.norm(i) == "morgen" && f.norm(i-1) == "guten" || f.norm(i) == "mañana" && (f.norm(i-1) == "la" || f.norm(i-1) == "esta")
	if n == 0 || n == 1 && greeting {
		return record.Interval{}, 0
	}
	return f.days(f.day.AddDate(0, 0, d), 1), n + skip
}

// dayNumber reads 3, 3rd, 3. and 1er.
func (f *dater) dayNumber(i int) (d, n int, suffixed bool) {
	w := f.norm(i)
	digits := strings.TrimRight(w, "abcdefghijklmnopqrstuvwxyzºª°")
	if digits == "" || len(digits) > 2 || len(w) > len(digits)+3 {
		return 0, 0, false
	}
	if tail := w[len(digits):]; tail != "" && !strings.Contains(" st nd rd th er º ª ° ", " "+tail+" ") {
		return 0, 0, false
	}
	d, err := strconv.Atoi(digits)
	if err != nil || d < 1 || d > 31 {
		return 0, 0, false
	}
	if n = 1; f.norm(i+1) == "." {
		n = 2
	}
	return d, n, len(w) > len(digits)
}

// yearAt reads a year, with a comma before it or a filler ("de 2024").
func (f *dater) yearAt(i int) (y, n int) {
	for n = 0; n < 2 && (f.norm(i+n) == "," || f.c.f[f.norm(i+n)]); n++ {
	}
	w := f.norm(i + n)
	if len(w) != 4 {
		return 0, 0
	}
	y, err := strconv.Atoi(w)
	if err != nil || y < 1900 || y > 2199 {
		return 0, 0
	}
	return y, n + 1
}

// dayMonth is "3 May", "the 3rd of May, 2024", "May 3rd", "3. Mai", "3 de mayo de 2024", "5月3日".
func (f *dater) dayMonth(i int) (record.Interval, int) {
	j, m, d := i, 0, 0
	if f.norm(j) == "the" {
		j++
	}
	if day, n, _ := f.dayNumber(j); n > 0 {
		d = day
		if j += n; f.norm(j) == "月" { // 5月3日
			if day, n, _ := f.dayNumber(j + 1); n > 0 && f.norm(j+2) == "日" {
				return f.nearest(d, day, j+3, i)
			}
			return record.Interval{}, 0
		}
		for f.c.f[f.norm(j)] {
			j++
		}
		if m = f.c.months[f.norm(j)]; m == 0 {
			return record.Interval{}, 0
		}
		j++
	} else {
		if m = f.c.months[f.norm(j)]; m == 0 {
			return record.Interval{}, 0
		}
		if j++; f.norm(j) == "." || f.norm(j) == "the" {
			j++
		}
		day, n, _ := f.dayNumber(j)
		if n == 0 {
			return record.Interval{}, 0
		}
		d = day
		j++
	}
	if f.norm(j) == "." {
		if _, n := f.yearAt(j + 1); n > 0 {
			j++
		}
	}
	return f.nearest(m, d, j, i)
}

// nearest is the day in the year that stands at token j, or in the one that brings it nearest to now.
func (f *dater) nearest(m, d, j, i int) (record.Interval, int) {
	y, n := f.yearAt(j)
	if n == 0 {
		y = f.day.Year()
		switch day := time.Date(y, time.Month(m), d, 0, 0, 0, 0, f.day.Location()); {
		case day.Sub(f.day) > 183*24*time.Hour:
			y--
		case f.day.Sub(day) > 183*24*time.Hour:
			y++
		}
	}
	span, ok := f.make(y, m, d)
	if !ok {
		return span, 0
	}
	return span, j + n - i
}

func calendarDay(word string) bool {
	_, ok := calendarWords().days[word]
	return ok
}
