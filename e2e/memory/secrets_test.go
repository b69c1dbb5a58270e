//go:build e2e && linux

package memory

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

const (
	lower   = "abcdefghijklmnopqrstuvwxyz"
	digits  = "0123456789"
	hexes   = digits + "abcdef"
	upper   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	mixed   = lower + upper + digits
	base64s = mixed + "+/"
)

// credentials makes one of each vendor, in the vendor's form. They are put together here, so that no scanner finds one in this file.
func credentials(r *rand.Rand) map[string]string {
	some := func(n int, of string) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = of[r.IntN(len(of))]
		}
		return string(b)
	}
	j := func(parts ...string) string { return strings.Join(parts, "") }
	jwt := j("ey", "J", some(34, mixed), ".ey", "J", some(80, mixed), ".", some(43, mixed))
	return map[string]string{
		"AWS key id":          j("AK", "IA", some(16, upper+"234567")),
		"AWS secret":          "aws_secret_access_key = " + some(40, base64s),
		"GitHub":              j("gh", "p_", some(36, mixed)),
		"GitHub fine-grained": j("github", "_pat_", some(22, mixed), "_", some(59, mixed)),
		"GitLab":              j("gl", "pat-", some(20, mixed)),
		"Slack":               j("xo", "xb-", some(12, digits), "-", some(13, digits), "-", some(24, mixed)),
		"Stripe":              j("sk_", "live_", some(24, mixed)),
		"OpenAI":              j("sk-", "proj-", some(74, mixed), "T3Blbk", "FJ", some(74, mixed)),
		"Anthropic":           j("sk-", "ant-api03-", some(93, mixed), "AA"),
		"Google":              j("AI", "za", some(35, mixed)),
		"SendGrid":            j("SG", ".", some(22, mixed), ".", some(43, mixed)),
		"Twilio":              j("S", "K", some(32, hexes)),
		"npm":                 j("np", "m_", some(36, lower+digits)),
		"PyPI":                j("py", "pi-AgEIcHlwaS5vcmc", some(70, mixed)),
		"Hugging Face":        j("h", "f_", some(34, lower)),
		"DigitalOcean":        j("dop", "_v1_", some(64, hexes)),
		"Shopify":             j("shp", "at_", some(32, hexes)),
		"Databricks":          j("da", "pi", some(32, hexes)),
		"Linear":              j("lin_", "api_", some(40, mixed)),
		"Vault":               j("hv", "s.", some(95, mixed)),
		"Telegram":            j(some(10, digits), ":A", some(34, mixed)),
		"JWT":                 jwt,
		"bearer":              "Authorization: Bearer " + some(40, mixed),
		"password":            "my password is " + some(6, lower) + "-" + some(4, digits) + "!" + some(4, upper),
		"database URL":        j("postgres://app:", some(20, mixed), "@db.internal:5432/app"),
		"private key": j("-----BEGIN RSA PRIVATE", " KEY-----\n", some(64, base64s), "\n", some(64, base64s),
			"\n-----END RSA PRIVATE", " KEY-----"),
		"assignment":    "export SERVICE_API_KEY=" + some(32, mixed),
		"JSON":          `{"client_secret": "` + some(40, mixed) + `"}`,
		"JSON password": `{"db_password":"` + some(6, lower) + some(3, digits) + `"}`,
		"YAML password": "password: '" + some(6, lower) + some(3, digits) + "'",
		"Azure storage": j("AccountKey=", some(86, base64s), "=="),
		"Mailgun":       j("key-", some(32, hexes)),
	}
}

// secretPart is what of a credential must not be kept.
func secretPart(name, text string) string {
	switch name {
	case "AWS secret", "bearer", "password", "assignment":
		return text[strings.LastIndexAny(text, " =")+1:]
	case "database URL":
		return strings.Split(strings.Split(text, "app:")[1], "@")[0]
	case "private key":
		return strings.Split(text, "\n")[1]
	case "JSON", "JSON password":
		return strings.Split(text, `"`)[3]
	case "YAML password":
		return strings.Split(text, "'")[1]
	case "Azure storage":
		return text[len("AccountKey="):]
	}
	return text
}

var carriers = []string{
	"Please use %s for the upload of the quarterly report.", "Remember this for me: %s",
	"The config of the importer now has\n%s\nin its last line, is that right?",
	"I moved to Lisbon, and the new one is %s by the way.",
}

// TestSecrets: credentials in what users, models and tools say are not kept: not in what can be exported, and not in any file.
func TestSecrets(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 11))
	var reply string
	u := model(t, func(string) string { return reply })
	dir := t.TempDir() + "/data"
	g := start(t, dir, u.base(), byHeader)
	said := map[string][]string{}
	n := 0
	for range times(2, 10) {
		for name, text := range credentials(r) {
			said[name] = append(said[name], secretPart(name, text))
			n++
			reply = fmt.Sprintf("All right, number %d: I will use %s as you said.", n, text)
			ask := fmt.Sprintf(carriers[n%len(carriers)], text) + fmt.Sprintf(" It is of ticket number %d.", n)
			who := []string{"x-user: ann", fmt.Sprintf("x-trapgate-session: s%d", n)}
			talk := append([]msg{says(ask)}, called("c1", fmt.Sprintf("output %d of the tool:\n%s\nexit code 0", n, text))...)
			g.asks(u, talk, who...)
			g.asks(u, append(talk, msg{Role: "assistant", Content: reply}, says(fmt.Sprintf("Good, close ticket number %d then.", n))), who...)
		}
	}
	if !g.settle(fmt.Sprintf("close ticket number %d", n), "--user", "ann") {
		t.Fatal("not learned")
	}
	out := g.must("export")
	kept := 0
	for name, all := range said {
		for _, secret := range all {
			exported, files := strings.Contains(out, secret), raw(t, dir, secret)
			if exported || len(files) > 0 {
				kept++
				at := strings.Index(out, secret)
				t.Errorf("a credential of %s is kept: in files %v; exported: %.400s", name, files, out[max(0, at-200):])
			}
		}
	}
	t.Logf("%d credentials of %d kinds, each said by user, tool and model: %d kept", n, len(said), kept)
}
