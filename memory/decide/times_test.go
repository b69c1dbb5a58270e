package decide

import (
	"strings"
	"testing"
	"time"
)

// TestTimes: at Monday, 23 November 2026.
func TestTimes(t *testing.T) {
	for text, want := range map[string]string{
		"I went yesterday":            "2026-11-22..2026-11-23",
		"see you tomorrow":            "2026-11-24..2026-11-25",
		"tonight":                     "2026-11-23..2026-11-24",
		"the day after tomorrow":      "2026-11-25..2026-11-26",
		"last week":                   "2026-11-16..2026-11-23",
		"next week":                   "2026-11-30..2026-12-07",
		"last Monday":                 "2026-11-16..2026-11-17",
		"next Friday":                 "2026-11-27..2026-11-28",
		"on Friday":                   "2026-11-27..2026-11-28",
		"this weekend":                "2026-11-28..2026-11-30",
		"last weekend":                "2026-11-21..2026-11-23",
		"in three days":               "2026-11-26..2026-11-27",
		"two weeks ago":               "2026-11-08..2026-11-11",
		"a month ago":                 "2026-10-01..2026-11-01",
		"next month":                  "2026-12-01..2027-01-01",
		"last year":                   "2025-01-01..2026-01-01",
		"on 3 May":                    "2027-05-03..2027-05-04",
		"on the 3rd of October":       "2026-10-03..2026-10-04",
		"May 3rd, 2024":               "2024-05-03..2024-05-04",
		"3 May 2024":                  "2024-05-03..2024-05-04",
		"2024-02-29":                  "2024-02-29..2024-03-01",
		"2024-02-30":                  "",
		"3.5.2024":                    "2024-05-03..2024-05-04",
		"5/3/2024":                    "2024-05-03..2024-05-04",
		"23/5/2024":                   "2024-05-23..2024-05-24",
		"the 12th":                    "2026-12-12..2026-12-13",
		"the 12th floor":              "",
		"in March 2025":               "2025-03-01..2025-04-01",
		"since 2019":                  "2019-01-01..2020-01-01",
		"two days from now":           "2026-11-25..2026-11-26",
		"the last three days":         "2026-11-20..2026-11-24",
		"a couple of days ago":        "2026-11-21..2026-11-22",
		"I may go and march on":       "",
		"yesterday and on 3 May 2024": "2026-11-22..2026-11-23 2024-05-03..2024-05-04",
		"gestern":                     "2026-11-22..2026-11-23",
		"vor drei Tagen":              "2026-11-20..2026-11-21",
		"in zwei Wochen":              "2026-12-06..2026-12-09",
		"am 3. Mai 2024":              "2024-05-03..2024-05-04",
		"letzte Woche":                "2026-11-16..2026-11-23",
		"nächsten Freitag":            "2026-11-27..2026-11-28",
		"il y a trois jours":          "2026-11-20..2026-11-21",
		"la semaine dernière":         "2026-11-16..2026-11-23",
		"le 3 mai 2024":               "2024-05-03..2024-05-04",
		"hace dos días":               "2026-11-21..2026-11-22",
		"la semana pasada":            "2026-11-16..2026-11-23",
		"el 3 de mayo de 2024":        "2024-05-03..2024-05-04",
		"tre giorni fa":               "2026-11-20..2026-11-21",
		"il mese prossimo":            "2026-12-01..2027-01-01",
		"há três dias":                "2026-11-20..2026-11-21",
		"drie dagen geleden":          "2026-11-20..2026-11-21",
		"volgende week":               "2026-11-30..2026-12-07",
		"вчера":                       "2026-11-22..2026-11-23",
		"昨天":                          "2026-11-22..2026-11-23",
		"5月3日":                        "2027-05-03..2027-05-04",
	} {
		var got []string
		for _, i := range Times(text, monday) {
			got = append(got, i.From.Format(time.DateOnly)+".."+i.To.Format(time.DateOnly))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzTimes(f *testing.F) {
	f.Add("in three days, the 12th of May 2024, 5月3日, last week", int64(0))
	f.Fuzz(func(t *testing.T, text string, at int64) {
		for _, i := range Times(text, time.Unix(at%(1<<36), 0).UTC()) {
			if !i.From.Before(i.To) || i.From.Year() < 1 || i.To.Year() > 9999 {
				t.Errorf("%q: %v", text, i)
			}
		}
	})
}
