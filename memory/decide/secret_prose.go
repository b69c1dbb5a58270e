package decide

import (
	"regexp"
	"strings"
	"sync"
)

// proseRules find what people write in sentences and gitleaks, which is for code, does not look for.
func proseRules() []*secretRule {
	const (
		word = `(?:passwords?|passwd|passwort|kennwort|passphrase|passcode|pwd|mot de passe|contraseñ?n?a|clave|senha|` +
			`wachtwoord|пароль|密码|パスワード|비밀번호)`
		is = `(?:\s*[:=]+\s*|\s+(?:is|was|are|to|ist|lautet|est|es|è|é|será|becomes|будет)` +
			`(?:\s+(?:now|still|jetzt|ahora|ora))?\s*:?\s+|\s*(?:是|は|은|는)\s*|\s+-\s+|\s*->\s*)`
		quotes = "[\"'`“«]?"
		name   = "[\"'`]?" // ends the name of a member, as in JSON
	)
	no := &secretAllow{Regexes: []string{
		`(?i)^(?:not|no|too|the|a|an|in|on|of|for|to|my|your|that|this|it|required|wrong|incorrect|invalid|expired|weak|strong|` +
			`safe|secure|stored|hashed|` +
			`encrypted|set|unset|empty|missing|reset|changed|being|never|always|sent|saved|correct|right|valid|needed|optional|` +
			`protected|also|just|` +
			`only|what|where|how|nicht|falsch|very|really|leaked|compromised|hidden|visible|kept|shared|managed|policy|string|str|none|null|true|` +
			`false|undefined|bad|good|ok|easy|hard|long|short|different|same|something|nothing|unknown|forgotten|case|min|minimum|at|longer|` +
			`older|authentication|field|fields|hash|hashes|manager|managers)[.,;!?'")]*$`, `^[<${%\[(*]`, `^[.*x•]+$`, `^\[secret`,
	}}
	rule := func(id, expr string, keywords ...string) *secretRule {
		digit := !strings.HasPrefix(id, "prose-pass") && id != "url-credentials" && id != "vendor-key"
		return &secretRule{ID: id, Regex: expr, Keywords: keywords, Allow: []*secretAllow{no}, prose: true, digit: digit}
	}
	passwords := []string{
		"passw", "passwd", "kennwort", "passphrase", "passcode", "pwd", "mot de passe",
		"contrase", "clave", "senha", "wachtwoord", "пароль", "密码", "パスワード", "비밀번호",
	}
	return []*secretRule{
		rule("prose-password", `(?i)`+word+
			`(?:[ \t]+(?:for|to|of|on|at|für|zu|von|de|del|du|pour|para|per|voor|от|для)(?:[ \t]+[^\s:=]+){1,4}?)?`+name+is+quotes+
			`([^\s"'`+"`"+`”»]{3,})`, passwords...),
		rule("prose-password-bare", `(?i)\b`+word+`[ \t]+`+quotes+`([^\s"'`+"`"+`”»]*[0-9!@#$%^&*][^\s"'`+"`"+`”»]*)`, passwords...),
		rule("prose-passphrase", `(?i)\b(?:passphrase|seed phrase|recovery phrase|mnemonic|secret phrase|backup phrase)`+
			`[^\n:=.]{0,30}?(?:\s+is|:|=)\s*((?:[\w'-]+[ \t]*){3,30})`,
			"passphrase", "seed phrase", "recovery phrase", "mnemonic", "secret phrase", "backup phrase"),
		rule("prose-pin", `(?i)\b(?:pins?|cvv|cvc|cvv2|tan|otp|pin[ -]?code|geheimzahl|security code|access code|entry code|`+
			`door code|gate code|alarm code|one-time code|verification code|2fa code|unlock code|safe code|combination)\b`+
			`[^\n.\d]{0,40}?\b(\d{3,10}(?:-\d{2,6}){0,3})\b`,
			"pin", "cvv", "cvc", "tan", "otp", "geheimzahl", "code", "combination"),
		rule("prose-key", `(?i)(?:\b|_)(?:api[ _-]?keys?|access[ _-]?(?:key|token)s?|secret(?:[ _-]?key)?s?|tokens?|`+
			`auth[ _-]?(?:key|token)s?|private[ _-]?key|client[ _-]?secret|webhook secret|bearer|credentials?|license key|recovery codes?)`+
			`(?:[ \t]+(?:for|to|of)(?:[ \t]+[^\s:=]+){1,3}?)?`+name+`(?:`+is+`|[ \t]+)`+quotes+
			`([A-Za-z0-9+/=_.~-]*(?:[A-Za-z][A-Za-z0-9+/=_.~-]*[0-9]|[0-9][A-Za-z0-9+/=_.~-]*[A-Za-z])[A-Za-z0-9+/=_.~-]{6,})`,
			"key", "token", "secret", "bearer", "credential", "recovery code"),
		rule("prefixed-key", `\b((?:sk|pk|rk|ak|api|key|tok|token|secret|pat|ghp|xox[a-z])[-_]`+
			`(?:[A-Za-z0-9]+[-_])*[A-Za-z0-9]*[0-9][A-Za-z0-9_-]{14,})`,
			"sk-", "pk-", "rk-", "ak-", "sk_", "pk_", "rk_", "ak_", "api_", "key-", "key_", "tok_", "token_", "secret_",
			"pat_", "pat-", "ghp_", "xox"),
		rule("vendor-key", `\b((?:`+strings.ReplaceAll(strings.Join(vendors, "|"), ".", `\.`)+`)[A-Za-z0-9_.+/=-]{16,})`, vendors...),
		rule("url-credentials", `[a-zA-Z][a-zA-Z0-9+.-]*://[^\s/:@]*:([^\s/@]{2,})@`, "://"),
		rule("authorization", `(?i)authorization["']?\s*[:=]\s*["']?(?:bearer|basic|token|digest)?\s*([A-Za-z0-9._~+/=-]{8,})`, "authorization"),
		// gitleaks wants the vendor's name near it.
		{ID: "telegram-token", Regex: `\b(\d{8,10}:A[A-Za-z0-9_-]{34})(?:[^A-Za-z0-9_-]|$)`, Keywords: []string{":A"}},
		rule("social-security", `(?i)\b(?:ssn|social security)[^\n\d]{0,30}(\d{3}[- ]?\d{2}[- ]?\d{4})\b`, "ssn", "social security"),
		rule("bank-account", `(?i)\b(?:account|routing|sort code|kontonummer)[^\n\d]{0,30}(\d[\d -]{6,20}\d)\b`,
			"account", "routing", "sort code", "kontonummer"),
	}
}

// vendors are prefixes of keys that the rules of gitleaks do not have, or only with a keyword near them.
var vendors = []string{
	"dckr_pat_", "gsk_", "r8_", "tskey-", "ya29.", "SG.", "whsec_", "xai-", "pplx-", "nvapi-", "tvly-", "jina_", "sbp_", "rnd_", "figd_",
	"ntn_", "napi_", "phc_", "phx_", "lsv2_", "pcsk_", "sk-", "sntrys_", "sntryu_", "glsa_", "glc_", "hf_", "npm_", "AIza", "hvs.", "sq0atp-",
	"sq0csp-", "pscale_pw_", "PMAK-", "dop_v1_", "pul-", "dapi", "github_pat_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "glpat-", "xapp-",
	"shpat_", "shpss_", "lin_api_", "EAAC", "GOCSPX-", "1//0", "ABSK", "dp.pt.", "rubygems_", "NRAK-", "sl.u.", "AGE-SECRET-KEY-",
}

var (
	cardShape = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\d(?:[ -]?\d){12,18}`) })
	ibanShape = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)\b[a-z]{2}\d{2}(?:[ -]?[a-z0-9]{4}){2,7}(?:[ -]?[a-z0-9]{1,4})?\b`)
	})
)

// numbers are the payment cards (by Luhn's check digit) and the bank accounts (IBAN, ISO 13616, by its check digits) of a text.
func numbers(text string) (out []span) {
	digits := 0
	for i := 0; i < len(text); i++ {
		if text[i] >= '0' && text[i] <= '9' {
			digits++
		}
	}
	if digits < 10 {
		return nil
	}
	if digits >= 13 {
		for _, m := range cardShape().FindAllStringIndex(text, -1) {
			before := m[0] > 0 && (wordByte(text[m[0]-1]) || text[m[0]-1] == '.')
			after := m[1] < len(text) && wordByte(text[m[1]])
			if !before && !after && luhn(text[m[0]:m[1]]) {
				out = append(out, span{m[0], m[1]})
			}
		}
	}
	for _, m := range ibanShape().FindAllStringIndex(text, -1) {
		for to := m[1]; to-m[0] >= 15; to-- { // a word after it may look like its last group
			if (to == m[1] || !wordByte(text[to])) && iban(text[m[0]:to]) {
				out = append(out, span{m[0], to})
				break
			}
		}
	}
	return out
}

func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

func luhn(text string) bool {
	sum, n, first := 0, 0, byte(0)
	for i := len(text) - 1; i >= 0; i-- {
		if text[i] < '0' || text[i] > '9' {
			continue
		}
		d := int(text[i] - '0')
		if n%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
		n++
		first = text[i]
	}
	return n >= 13 && sum%10 == 0 && first >= '2' && first <= '6' // networks' first digits: times in milliseconds begin with 1
}

func iban(text string) bool {
	text = strings.NewReplacer(" ", "", "-", "").Replace(strings.ToUpper(text))
	if len(text) < 15 || len(text) > 34 {
		return false
	}
	rest := 0
	for _, c := range text[4:] + text[:4] {
		switch {
		case c >= '0' && c <= '9':
			rest = (rest*10 + int(c-'0')) % 97
		case c >= 'A' && c <= 'Z':
			rest = (rest*100 + int(c-'A') + 10) % 97
		default:
			return false
		}
	}
	return rest == 1
}
