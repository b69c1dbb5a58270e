package index

import "strings"

// traits are what kind of thing a text says.
type traits uint16

const (
	question traits = 1 << iota // ends as a question does
	timely                      // has words of time
	number                      // has a number
	own                         // speaks of its speaker
	yours                       // speaks of the one who is spoken to
	proper                      // names something
	stated                      // is a fact
	timed                       // has times of its own
	asker                       // is of the user
)

var traitsOf = readTraits()

func readTraits() map[string]traits {
	m := map[string]traits{}
	for list, t := range map[string]traits{
		timeWords: timely,
		`i i'm i've i'd i'll im ive my me mine myself we we're we've we'd we'll our us`:                              own,
		`one two three four five six seven eight nine ten eleven twelve dozen hundred thousand twice couple several`: number,
		`you your you're you've you'd you'll yours yourself u ur`:                                                    yours,
	} {
		for _, w := range strings.Fields(list) {
			m[w] |= t
		}
	}
	return m
}

const timeWords = `
yesterday today tonight tomorrow ago last next week weeks weekend month months year years day days hour hours minute minutes
morning afternoon evening night monday tuesday wednesday thursday friday saturday sunday january february march april june july
august september october november december recently lately earlier later since spring summer autumn fall winter decade`

// asks reports whether a text ends as a question does, apart from what stands in brackets.
func asks(text string) bool {
	text = strings.TrimSpace(text)
	for strings.HasSuffix(text, "]") {
		i := strings.LastIndexByte(text, '[')
		if i < 0 {
			break
		}
		text = strings.TrimSpace(text[:i])
	}
	return strings.HasSuffix(text, "?") || strings.HasSuffix(text, "？")
}

// names reports whether a text has a word with a capital letter where no sentence begins.
func names(text string) bool {
	begin := true
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c >= 'A' && c <= 'Z':
			word := i
			for i+1 < len(text) && (text[i+1]|32) >= 'a' && (text[i+1]|32) <= 'z' {
				i++
			}
			if !begin && i > word {
				return true
			}
			begin = false
		case c == '.' || c == '!' || c == '?' || c == '\n' || c == '[' || c == ',':
			begin = true
		case c > ' ' && c != '"':
			begin = false
		}
	}
	return false
}
