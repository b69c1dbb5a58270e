package limit

import "strings"

// Group returns the limit group of a model under a credential: what a pool that nobody configured is keyed by. credential is
// a digest, never the credential itself.
//
// Providers count by organisation and model, where dated snapshots and the "latest" alias share their model's limit; some
// count a family of models together, and none says in a header which. So the group is the model's name without a date and
// without "latest", and nothing wider: two groups that are one at the provider still see each other in its remaining count,
// which every response brings (Bucket.Sync), while one group made of two would waste what the provider gives.
func Group(credential, model string) string { return credential + "/" + Family(model) }

// Family returns a model's name in lower case, without the date or alias of a snapshot at its end.
func Family(model string) string {
	m := strings.ToLower(strings.TrimSpace(model))
	m = strings.TrimSuffix(m, "-latest")
	for _, n := range []int{len("2006-01-02"), len("20060102")} { // -2024-08-06, -20250514
		i := len(m) - n - 1
		if i <= 0 || m[i] != '-' && m[i] != '@' {
			continue
		}
		if digits := strings.ReplaceAll(m[i+1:], "-", ""); len(digits) == 8 && onlyDigits(digits) && strings.HasPrefix(digits, "20") {
			return m[:i]
		}
	}
	return m
}

func onlyDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
