package digest

import (
	"encoding/binary"
	"strings"
	"sync"
)

// words are sets of the lexicon, one bit each.
type words uint64

const (
	first     words = 1 << iota // the speaker
	linking                     // polite and linking words, behind which a command may begin
	labels                      // "Rule: ..."
	absolute                    // forbid or demand wherever they stand
	ruleVerbs                   // verbs that, as commands, mostly state rules
	softVerbs                   // verbs that may be a rule or a request
	checks                      // commands that are rules together with orders
	orders
	states     // what something is kept as
	quantities // make a command general
	notVerbs   // no command when they come first
	determiner
	modal
	is
	has
	thing
	narrows
	guessed
	opens
	denials
	conditions
	circumstances
	idle
	me
	acts
	bars
	past    // what happened, no practice
	abroad  // a phrase of another language may begin with it
	trigger // of none of the sets, but judged by name
)

// The tables of judge, which Load makes.
var (
	lexicon map[string]words // in lower case
	// short has the words of the lexicon of at most 8 bytes by their bytes as one number, in open addressing: most words of a text are
	// short and not in it.
	short *[slots]shortWord
)

type shortWord struct {
	key  uint64
	sets words
}

// Load makes the tables of words, a megabyte, in two milliseconds; only the first call does. It is called where they are needed, so a
// process without context rewriting has none; whoever calls it earlier saves the first request the time.
var Load = sync.OnceFunc(func() {
	cues = newCues()
	lexicon = newLexicon()
	short = newShort()
})

func newLexicon() map[string]words {
	m := map[string]words{}
	for set, list := range map[words]string{
		first: "i i'm i've i'd i'll im ive we we're we've we'll",
		linking: `please and or but so then also just now first finally kindly again ok okay yes remember note important
		therefore hence thus still plus however meanwhile additionally furthermore moreover`,
		labels: `rule rules policy policies constraint constraints requirement requirements important warning caution attention
		restriction restrictions reminder nb mandatory guardrail guardrails`,
		absolute: `forbidden prohibited banned disallowed impermissible inadmissible mandatory obligatory compulsory taboo
		non-negotiable nonnegotiable off-limits noone's`,
		ruleVerbs: `ensure refuse reject deny decline avoid refrain abstain desist insist stick adhere comply obey restrict limit
		confine withhold conceal hide honour honor observe respect guard protect prevent disallow forbid prohibit ban beware
		guarantee`,
		softVerbs: "use prefer choose skip ignore omit exclude disregard follow maintain preserve keep stay leave assume",
		checks: `verify confirm check ask get obtain wait consult request require double-check validate test run review read
		repeat spell tell inform notify`,
		orders: "before first until every each any always prior twice thrice times without whenever once",
		states: `secret private confidential hidden away out off below under within above unchanged untouched intact safe yourself
		between from separate as nobody none no only nothing alone closed open empty at most least sealed anonymous internal`,
		quantities: "twice thrice times every each any all whenever everyone anyone nobody none both",
		notVerbs: `the a an this that these those it he she they there here my your his her its our their hi hello hey thanks
		thank sure yes no ok okay great good perfect sorry unfortunately actually what when where why who how which is are was were
		do does did can could would will should may might if as since because although though while after before in on at for
		with from by to of under over about all any some both each every many most sounds looks seems well alright one two
		none neither case them him three next then also everything nothing anything something passenger passengers`,
		determiner: "the a an this that these those my your his her its our their any all each every no",
		modal:      "may can must should shall will might could always please to and",
		is:         "is are was were be isn't aren't being get gets stays remains is/are",
		has:        "has have had i've we've they've it's he's she's you've",
		thing:      "it that this there he she they which who",
		narrows:    "if when after with for by in on from use once during at as through via between to upon under within",
		guessed:    "a an some kidding joking mistaken wrong something another possible exceptions any flexibility",
		opens:      "without before after until for to on in under more less even at by with from",
		denials: `to allowed permitted acceptable okay ok fine authorised authorized for negotiable optional supposed eligible
		available legal welcome`,
		conditions: `asking permission approval consent confirmation my explicit first checking telling exception exceptions
		fail being prior written express authorization authorisation the a an getting having confirming verifying approval supervisor
		manager`,
		circumstances: "circumstances circumstance case cases time account means event condition conditions way situation",
		idle: `thanks thank problem problems worries need i it idea rush luck longer matter way wonder doubt prob the that
		you we and but please worry clue such hay te se lo es tengo puedo sé he importa funciona encuentro quiero entiendo está further other additional special specific`,
		me:   "me us my our",
		acts: "may can should shall must is are gets leaves goes will",
		bars: `may can should shall must is are gets get ever has have will without before after unless until except but for in on
		to allowed permitted leaves goes under else outside other than`,
		past: `got had saw was were did came went made knew said took gave found heard thought felt told left sent met bought paid kept lost
		ran wrote spoke agreed`,
		abroad: "pas jamais rien aucun aucune que", // behind an elided "n'"
		trigger: `needs now henceforth policy shalt must shall mustn't shan't never always ever only solely exclusively strictly not should ought no nobody none noone
			nothing limits bounds without to unless until except reserved restricted confined limited allowed permitted authorised
			authorized supposed required obliged expected obligated essential crucial vital important critical necessary imperative
			unacceptable insist require demand forbid prohibit expect requires demands forbids prohibits stays remains rather want
			need like every each any at hands steer stay make be making see take keep whatever business rule leave hold treat let
			stop quit cease remember`,
	} {
		for _, w := range strings.Fields(list) {
			m[w] |= set // in any order: the bits are the same
		}
	}
	for w := range contracted {
		m[w] |= trigger
	}
	for _, w := range tellingAbroad() {
		m[w] |= abroad
	}
	return m
}

// contracted are auxiliaries with "not" in one word.
var contracted = map[string]string{
	"don't": "do", "dont": "do", "can't": "can", "cant": "can", "cannot": "can", "shouldn't": "should",
	"isn't": "is", "aren't": "are", "won't": "will", "needn't": "need",
}

func newShort() *[slots]shortWord {
	t := new([slots]shortWord)
	for w, sets := range lexicon {
		if len(w) > 8 {
			continue
		}
		key := shortKey([]byte(w+pad), len(w))
		h := slot(key)
		for t[h].key != 0 {
			h = (h + 1) % slots
		}
		t[h].key, t[h].sets = key, sets
	}
	return t
}

const (
	slots = 1 << 12
	pad   = "\x00\x00\x00\x00\x00\x00\x00\x00" // that must stand behind a text whose words are looked up
)

func shortKey(text []byte, n int) uint64 { return binary.LittleEndian.Uint64(text) << (64 - 8*n) }

func slot(key uint64) uint64 { return key * 0x9E3779B97F4A7C15 >> 52 }

// lookup is what the word of n bytes is that text, which goes on for 8 bytes at least, begins with.
func lookup(text []byte, n int) words {
	if n > 8 {
		return lexicon[string(text[:n])]
	}
	key := shortKey(text, n)
	for h := slot(key); short[h].key != 0; h = (h + 1) % slots {
		if short[h].key == key {
			return short[h].sets
		}
	}
	return 0
}
