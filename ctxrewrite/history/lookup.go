package history

import (
	"net/url"
	"reflect"
	"strings"

	"github.com/trapgate/trapgate/internal/wire"
)

// hosts are the providers' own addresses by the end of the host name. Those with open serve models of other makers too.
var hosts = []struct {
	suffix  string
	profile *Profile
	open    bool
}{
	{"openai.azure.com", Azure, false},
	{"services.ai.azure.com", Azure, true},
	{"cognitiveservices.azure.com", Azure, true},
	{"inference.ai.azure.com", Azure, true},
	{"openai.com", OpenAI, false},
	{"chatgpt.com", OpenAI, false},
	{"anthropic.com", Anthropic, false},
	{"generativelanguage.googleapis.com", Gemini, false},
	{"aiplatform.googleapis.com", Gemini, true},
	{"deepseek.com", DeepSeek, false},
	{"mistral.ai", Mistral, false},
}

// families are the makers of models by a part of the model's name.
var families = []struct {
	part    string
	profile *Profile
}{
	{"claude", Anthropic},
	{"gemini", Gemini},
	{"deepseek", DeepSeek},
	{"mistral", Mistral},
	{"mixtral", Mistral},
	{"ministral", Mistral},
	{"magistral", Mistral},
	{"codestral", Mistral},
	{"devstral", Mistral},
	{"pixtral", Mistral},
}

// ProfileOf is the profile of an upstream with this base URL, asked for model in dialect d.
//
// A provider's own host has that provider's rules. Any other host, loopback included, has those of Strict and of the
// model's family together, and of OpenAI's reasoning items where the dialect has them. The messages dialect adds what its
// maker demands. The result is to be kept by the caller: joined profiles are made on each call.
func ProfileOf(baseURL, model string, d wire.Dialect) *Profile {
	own := family(model)
	p := Strict
	for _, h := range hosts {
		if !under(hostOf(baseURL), h.suffix) {
			continue
		}
		p = h.profile
		if !h.open {
			own = nil
		}
		break
	}
	if p == Strict && d == wire.Responses {
		p = join(p, OpenAI)
	}
	p = join(p, own)
	if d == wire.Messages {
		p = join(p, Anthropic)
	}
	return p
}

// hostOf is the lower-case host name of a base URL, or "".
func hostOf(baseURL string) string {
	u, err := url.Parse(baseURL)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// under reports whether host is name or a name below it: evil-openai.com is not under openai.com. Google's regional
// addresses (europe-west1-aiplatform.googleapis.com) put the region in front with a hyphen.
func under(host, name string) bool {
	rest, ok := strings.CutSuffix(host, name)
	return ok && (rest == "" || rest[len(rest)-1] == '.' || name == "aiplatform.googleapis.com" && rest[len(rest)-1] == '-')
}

func family(model string) *Profile {
	model = strings.ToLower(model)
	for _, f := range families {
		if strings.Contains(model, f.part) {
			return f.profile
		}
	}
	return nil
}

// join is the profile that demands what either demands: a itself when b, which may be nil, adds nothing.
func join(a, b *Profile) *Profile {
	if b == nil {
		return a
	}
	c := *a
	to, from := reflect.ValueOf(&c).Elem(), reflect.ValueOf(b).Elem()
	for i := range to.NumField() {
		if f := to.Field(i); f.Kind() == reflect.Bool {
			f.SetBool(f.Bool() || from.Field(i).Bool())
		}
	}
	if c == *a {
		return a
	}
	c.Name += "+" + b.Name
	return &c
}
