package digest

import "testing"

// A rule behind a line break is found however the break is written, and stands in the digest as it reads.
func TestRespell(t *testing.T) {
	for raw, want := range map[string]string{
		`a\u000ab`:                      `a\nb`,
		`\u0041\u0022\u005c\u0020`:      `A\"\\ `,
		`caf\u00e9 \ud83d\ude00 \u0001`: `caf\u00e9 \ud83d\ude00 \u0001`,
		`plain \n`:                      `plain \n`,
		`\\u0041`:                       `\\u0041`,
	} {
		got := string(respell([]byte(raw)))
		if string(unescape([]byte(got))) != string(unescape([]byte(raw))) {
			t.Errorf("%s reads %s", raw, got)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", raw, got, want)
		}
	}
}
