package tokens

import (
	"slices"
	"strings"
)

// stem is the beginning of the names of models that have one window. Marks are written as hyphens: "gpt-4-1" is gpt-4.1 too. A number
// that follows a stem makes another version of it, which the stem does not name, unless it is a date or the stem ends in a star.
type stem struct {
	name   string
	tokens int
}

const (
	k128 = 128_000
	k131 = 131_072
	k262 = 262_144
	meg  = 1_000_000
)

// known are the windows of the models that vendors document; see the package's documentation for where the numbers come from.
var known = prepare([]stem{
	// OpenAI. Of gpt-5 and later the window is what the input may have: the context less the 128,000 that are kept for the answer.
	{"gpt-3-5-turbo", 16_385},
	{"gpt-35-turbo", 16_385},
	{"gpt-3-5-turbo-0613", 4_096},
	{"gpt-3-5-turbo-0301", 4_096},
	{"gpt-3-5-turbo-instruct", 4_096},
	{"gpt-35-turbo-instruct", 4_096},
	{"gpt-4", 8_192},
	{"gpt-4-32k", 32_768},
	{"gpt-4-turbo", k128},
	{"gpt-4-1106", k128},
	{"gpt-4-0125", k128},
	{"gpt-4-vision", k128},
	{"gpt-4o", k128},
	{"chatgpt-4o", k128},
	{"gpt-4-1", 1_047_576},
	{"gpt-4-5", k128},
	{"gpt-5", 272_000},
	{"gpt-5-1", 272_000},
	{"gpt-5-2", 272_000},
	{"gpt-5-3", 272_000},
	{"gpt-5-3-codex-spark", k128},
	{"gpt-5-chat", k128},
	{"gpt-5-1-chat", k128},
	{"gpt-5-2-chat", k128},
	{"gpt-5-3-chat", k128},
	{"gpt-5-4", 922_000},
	{"gpt-5-4-mini", 272_000},
	{"gpt-5-4-nano", 272_000},
	{"gpt-5-5", 922_000},
	{"gpt-5-6", 922_000},
	{"o1", 200_000},
	{"o1-mini", k128},
	{"o1-preview", k128},
	{"o3", 200_000},
	{"o3-mini", 200_000},
	{"o4-mini", 200_000},
	{"codex-mini", 200_000},
	{"computer-use-preview", 8_192},
	{"gpt-oss", k131},
	// Anthropic
	{"claude-2", 100_000},
	{"claude-2-1", 200_000},
	{"claude-instant", 100_000},
	{"claude-3", 200_000},
	{"claude-3-5", 200_000},
	{"claude-3-7", 200_000},
	{"claude-opus-4", 200_000},
	{"claude-opus-4-1", 200_000},
	{"claude-opus-4-5", 200_000},
	{"claude-opus-4-6", meg},
	{"claude-opus-4-7", meg},
	{"claude-opus-4-8", meg},
	{"claude-sonnet-4", 200_000},
	{"claude-sonnet-4-5", 200_000},
	{"claude-sonnet-4-6", meg},
	{"claude-haiku-4-5", 200_000},
	{"claude-haiku-5*", meg},
	{"claude-sonnet-5*", meg},
	{"claude-opus-5*", meg},
	{"claude-fable*", meg},
	{"claude-mythos*", meg},
	// Google
	{"gemini-1-0", 30_720},
	{"gemini-pro", 30_720},
	{"gemini-1-5-flash", 1_048_576},
	{"gemini-1-5-pro", 2_097_152},
	{"gemini-2*", 1_048_576},
	{"gemini-3*", 1_048_576},
	{"gemini-flash-latest", 1_048_576},
	{"gemini-pro-latest", 1_048_576},
	{"gemma-2", 8_192},
	{"gemma-3", k131},
	{"gemma-4", k131},
	// DeepSeek
	{"deepseek-chat", k128},
	{"deepseek-reasoner", k128},
	{"deepseek-coder", k128},
	{"deepseek-v2*", k128},
	{"deepseek-v3*", k128},
	{"deepseek-r1", k128},
	{"deepseek-v4*", meg},
	{"deepseek-flash", meg},
	// Mistral
	{"mistral-7b", 32_768},
	{"mixtral-8x7b", 32_768},
	{"mixtral-8x22b", 65_536},
	{"mistral-nemo", k128},
	{"mistral-small", k128},
	{"mistral-medium", k128},
	{"mistral-large", k128},
	{"codestral", 256_000},
	{"devstral", k128},
	{"ministral", k128},
	{"magistral", k128},
	{"pixtral", k128},
	// Qwen
	{"qwen-2", 32_768},
	{"qwen-2-5", k131},
	{"qwen-2-5-turbo", meg},
	{"qwq", k131},
	{"qwen-max", 32_768},
	{"qwen-plus", meg},
	{"qwen-flash", meg},
	{"qwen-turbo", meg},
	{"qwen-3", k131},
	{"qwen-3-coder", k262},
	{"qwen-3-max", k262},
	{"qwen-3-next", k262},
	{"qwen-3-5", k262},
	{"qwen-3-7", meg},
	{"qwen-3-8", meg},
	{"qwen-3-235b-a22b-instruct-2507", k262},
	{"qwen-3-235b-a22b-thinking-2507", k262},
	{"qwen-3-30b-a3b-instruct-2507", k262},
	{"qwen-3-4b-instruct-2507", k262},
	// Llama
	{"llama-2", 4_096},
	{"codellama", 16_384},
	{"llama-3", 8_192},
	{"llama-3-1", k131},
	{"llama-3-2", k131},
	{"llama-3-3", k131},
	{"llama-4", 1_048_576},
	// Others
	{"grok-2", k131},
	{"grok-3", k131},
	{"grok-4", 256_000},
	{"grok-4-fast", 2_000_000},
	{"grok-4-1-fast", 2_000_000},
	{"grok-4-5", 256_000},
	{"grok-code-fast*", 256_000},
	{"kimi-k2*", k262},
	{"kimi-k2-0711", k131},
	{"glm-4-5", k131},
	{"glm-4-6", 200_000},
	{"glm-4-7", 200_000},
	{"glm-5", 200_000},
	{"minimax-m1", meg},
	{"minimax-m2*", 196_608},
	{"command-r", k128},
	{"command-a", 256_000},
	{"phi-4", 16_384},
	{"nova-micro", k128},
	{"nova-lite", 300_000},
	{"nova-pro", 300_000},
	{"nova-premier", meg},
	{"jamba", 256_000},
})

// prepare adds the spelling without a hyphen before the first number (gpt4o, llama3-1), and puts the longest names first.
func prepare(stems []stem) []stem {
	for _, s := range slices.Clone(stems) {
		for i := 1; i+1 < len(s.name); i++ {
			if s.name[i] == '-' && isDigit(s.name[i+1]) && !isDigit(s.name[i-1]) {
				stems = append(stems, stem{s.name[:i] + s.name[i+1:], s.tokens})
				break
			}
		}
	}
	slices.SortStableFunc(stems, func(a, b stem) int { return len(b.name) - len(a.name) })
	return stems
}

// tableWindow looks a name in lower case up: whatever stands before a stem (a provider, a region, a deployment's own words) is skipped.
// It is 0 for a model that the table does not have.
func tableWindow(name string) int {
	name = name[strings.LastIndexByte(name, '/')+1:]
	if strings.HasSuffix(name, "[1m]") { // as agents ask for the larger of two windows
		return meg
	}
	name = strings.Map(func(r rune) rune {
		if r < 0x80 && (isDigit(byte(r)) || 'a' <= r && r <= 'z') {
			return r
		}
		return '-'
	}, name)
	for _, s := range known {
		if s.in(name) {
			return s.tokens
		}
	}
	return 0
}

func (s stem) in(name string) bool {
	want, any := strings.CutSuffix(s.name, "*")
	for from := 0; ; from++ {
		i := strings.Index(name[from:], want)
		if i < 0 {
			return false
		}
		from += i
		rest := name[from+len(want):]
		if from > 0 && name[from-1] != '-' {
			continue
		}
		if any || !otherVersion(rest) {
			return true
		}
	}
}

// otherVersion reports whether what follows a stem makes it another model: more letters or digits, or a number of one or two digits.
func otherVersion(rest string) bool {
	if rest == "" {
		return false
	}
	if rest[0] != '-' {
		return true
	}
	number, _, _ := strings.Cut(rest[1:], "-")
	return len(number) > 0 && len(number) <= 2 && strings.Trim(number, "0123456789") == ""
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }
