package decide

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/trapgate/trapgate/memory/record"
)

const (
	alnum = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	lowal = "abcdefghijklmnopqrstuvwxyz0123456789"
	hexa  = "0123456789abcdef"
	upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
)

// vendorKeys have the forms of keys as their vendors publish them: a prefix, an alphabet, a length.
var vendorKeys = []struct {
	prefix, alphabet string
	length           int
	suffix           string
}{
	{"AKIA", upper, 16, ""},
	{"ASIA", upper, 16, ""},
	{"ghp_", alnum, 36, ""},
	{"gho_", alnum, 36, ""},
	{"ghs_", alnum, 36, ""},
	{"github_pat_", alnum + "_", 82, ""},
	{"glpat-", alnum, 20, ""},
	{"sk-ant-api03-", alnum + "_-", 93, "AA"},
	{"sk-proj-", alnum, 48, ""},
	{"sk-", alnum, 20, "T3BlbkFJ" + "abcDEF0123456789abcd"},
	{"xoxb-", "0123456789", 12, "-123456789012-abcdefABCDEF0123456789ab"},
	{"sk_live_", alnum, 24, ""},
	{"rk_live_", alnum, 24, ""},
	{"AIza", alnum, 35, ""},
	{"ya29.", alnum, 60, ""},
	{"npm_", lowal, 36, ""},
	{"pypi-AgEIcHlwaS5vcmc", alnum, 80, ""},
	{"hf_", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", 34, ""},
	{"dop_v1_", hexa, 64, ""},
	{"shpat_", hexa, 32, ""},
	{"SG.", alnum, 22, "." + "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLM0123"},
	{"dapi", hexa, 32, ""},
	{"hvs.", alnum, 95, ""},
	{"gsk_", alnum, 52, ""},
	{"r8_", alnum, 37, ""},
	{"pul-", hexa, 40, ""},
	{"lin_api_", alnum, 40, ""},
	{"dckr_pat_", alnum, 27, ""},
	{"sntrys_eyJpYXQiO", alnum, 10, "LCJyZWdpb25fdXJsIjoi" + strings.Repeat("aB3", 30) + "_" + strings.Repeat("aB3x", 10) + "abc"},
	{"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ", alnum, 40, ".SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"},
	{"tskey-auth-", alnum, 12, "-abcDEF0123456789abcdefABCDEF01234"},
	{"PMAK-", hexa, 24, "-0123456789abcdef0123456789abcdef01"},
	{"glsa_", alnum, 32, "_1a2b3c4d"},
	{"sq0atp-", alnum, 22, ""},
	{"key-", hexa, 32, ""},
	{"pscale_pw_", alnum, 43, ""},
}

var keySentences = []string{
	"%s", "my key is %s", "Here is the token: %s, please use it.", "export API_KEY=%s",
	"curl -H \"Authorization: Bearer %s\" https://api.example.com",
	"{\"api_key\": \"%s\"}", "I moved to Berlin and my new token is %s.", "remember that the deploy key is %s",
	"use\n%s\nfor the login", "(%s)",
}

// TestKeysOfVendors: 0 of the generated keys are kept, in any sentence.
func TestKeysOfVendors(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	total, kept := 0, map[string]int{}
	for i, v := range vendorKeys {
		for k := range len(keySentences) / 2 { // every second sentence, in turn
			sentence := keySentences[2*k+i%2]
			var b strings.Builder
			for range v.length {
				b.WriteByte(v.alphabet[rnd.IntN(len(v.alphabet))])
			}
			key := v.prefix + b.String() + v.suffix
			total++
			if d := say(fmt.Sprintf(sentence, key)); leaks(&d, b.String()[:min(10, v.length)]) {
				if kept[v.prefix]++; kept[v.prefix] == 1 {
					t.Errorf("kept %s... in %q", v.prefix, fmt.Sprintf(sentence, key))
				}
			}
		}
	}
	t.Logf("%d generated keys of %d sorts; of %d sorts some were kept", total, len(vendorKeys), len(kept))
}

func leaks(d *Decision, secret string) bool {
	for _, e := range d.Episodes {
		if strings.Contains(e.Text, secret) {
			return true
		}
	}
	for _, f := range d.Facts {
		if strings.Contains(f.Object+f.Quote, secret) {
			return true
		}
	}
	for _, f := range d.Forget {
		if strings.Contains(f, secret) {
			return true
		}
	}
	return false
}

func TestSecretsInProse(t *testing.T) {
	for text, secret := range map[string]string{
		"my password is hunter2":                                         "hunter2",
		"The password for the router is Tr0ub4dor&3, write it down":      "Tr0ub4dor",
		"password: correcthorse":                                         "correcthorse",
		"Log in with user bob and password s3cr3t!":                      "s3cr3t",
		"My PIN is 4711.":                                                "4711",
		"the door code is 9482":                                          "9482",
		"Mein Passwort ist geheim99":                                     "geheim99",
		"mon mot de passe est soleil12":                                  "soleil12",
		"mi contraseña es gato123":                                       "gato123",
		"мой пароль: кошка77":                                            "кошка77",
		"我的密码是abc12345":                                                  "abc12345",
		"My card number is 4111 1111 1111 1111.":                         "1111 1111",
		"card 5500-0000-0000-0004 expires soon":                          "0000-0004",
		"Bitte überweise auf DE89 3704 0044 0532 0130 00 noch heute":     "0532",
		"postgres://admin:pa55word@db.example.com/app":                   "pa55word",
		"my seed phrase is apple river stone cloud tiger moon lamp desk": "tiger",
		"My SSN is 078-05-1120":                                          "078-05",
		"-----BEGIN RSA PRIVATE KEY-----\n" + strings.Repeat("MIIEowIBAAKCAQEA7bq1\n", 20) + "-----END RSA PRIVATE KEY-----": "MIIEow",
		"remember that my password is hunter2 for the forum":                                                                 "hunter2",
		"aws_secret_access_key = wJalrXUtnFEMIK7MDENGbPxRfiCYzzKEYq3x9Lp2":                                                   "wJalr",
	} {
		d := say(text)
		if leaks(&d, secret) || d.Redacted == 0 {
			t.Errorf("%q: %q was kept: %+v", text, secret, d)
		}
	}
	for _, text := range []string{
		"The password is not correct.", "I forgot my password again and need help.", "Is the password policy documented?",
		"call me on 555-0134 tomorrow",
		"The commit is 3f786850e387550fdab836ed7e6dc881de23001b.", "the order number is 20261123 and the total 1234567",
		"see https://example.com/a/b?c=d1",
		"The key point is that tokens cost 3 dollars.", "Pin the version to v8.30.1 please", "the id is 123e4567-e89b-12d3-a456-426614174000",
		"It happened at 1700000000000 in the log.", "The API key is stored in the vault.",
	} {
		if d := say(text); d.Redacted > 0 {
			t.Errorf("%q: %d secrets found: %q", text, d.Redacted, d.Episodes)
		}
	}
}

// TestRulesCompile: every regular expression of the table is one, and tools' output is redacted as well.
func TestRulesCompile(t *testing.T) {
	d := secretRules()
	n := 0
	for _, r := range d.rules {
		if r.Regex != "" {
			r.regexp()
			n++
		}
		for _, a := range r.Allow {
			a.allows("", "")
		}
	}
	if n < 220 {
		t.Errorf("%d rules", n)
	}
	const text = "HOME=/root\nGITHUB_TOKEN=ghp_0123456789abcdefABCDEF0123456789abcd\n"
	out := New(Options{}).Decide(&Message{Role: record.Tool, Text: text, At: monday})
	if leaks(&out, "ghp_0123") {
		t.Errorf("%+v", out)
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("my password is hunter2, card 4111 1111 1111 1111, DE89370400440532013000")
	f.Fuzz(func(t *testing.T, text string) {
		out, n := redact(text)
		if n == 0 && out != text || n > 0 && !strings.Contains(out, Placeholder) {
			t.Errorf("%q: %d, %q", text, n, out)
		}
	})
}
