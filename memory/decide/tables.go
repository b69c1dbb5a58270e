package decide

import (
	"embed"
	"strings"
	"sync"
)

//go:embed rules/*.txt
var ruleFiles embed.FS

// A lexicon is what the rules files say.
type lexicon struct {
	contractions       map[string]string
	abbreviations      map[string]bool
	openers            map[string]bool // may stand before the first word of a sentence that counts
	adverbs            map[string]bool // may stand between words of a pattern
	relations          map[string]string
	relationAdjectives map[string]bool
	stops              map[string]map[string]bool // by kind of capture; "": of all
	conjunctions       map[string]bool
	clauseWords        map[string]bool
	trims              map[string]bool // at the end of an object
	leads              map[string]bool // at its beginning
	hedges             map[string]bool // before a match in its clause: not said as true
	tasks              map[string]bool // "translate this:" makes what follows somebody's words
	pronouns           map[string]bool // no objects
	acks               map[string]bool
	functionWords      map[string]bool
	states             map[string]bool // adjectives: "my phone is broken" gives the phone no value
	languages          map[string]bool
	animals            map[string]bool
	professions        map[string]bool
	labels             map[string]bool // before a colon: "Update: ..." are the user's own words
	projectAttributes  map[string]bool
	forgetLeads        map[string]bool   // before what is to be forgotten: "everything I told you about"
	noJobs             map[string]bool   // that end as jobs do: "winner"
	fiction            map[string]bool   // what a sentence says with one of them is nobody's
	clauseHeads        map[string]bool   // what may stand before "I" where "I" begins a clause that is no part of another's noun
	notNames           map[string]bool   // capitalised words that name nobody: "German", "Catholic"
	common             map[string]bool   // nouns that are no place, employer or name
	categories         map[string]string // "postgres" is a "database"
	categoryNames      map[string]bool
	attributes         map[string]string // nouns whose value one states: "phone number" is "phone"
	sorts              map[string]sorts
	patterns           index
}

var tables = sync.OnceValue(load)

func load() *lexicon {
	x := &lexicon{
		contractions: map[string]string{}, relations: map[string]string{}, categories: map[string]string{}, attributes: map[string]string{},
		stops: map[string]map[string]bool{},
	}
	sets := map[string]*map[string]bool{
		"abbreviations": &x.abbreviations, "adverbs": &x.adverbs, "relation adjectives": &x.relationAdjectives,
		"conjunctions": &x.conjunctions, "clause words": &x.clauseWords, "trims": &x.trims, "leads": &x.leads, "hedges": &x.hedges,
		"tasks": &x.tasks, "pronouns": &x.pronouns, "acks": &x.acks, "function words": &x.functionWords,
		"states": &x.states, "languages": &x.languages, "animals": &x.animals, "professions": &x.professions, "labels": &x.labels,
		"project attributes": &x.projectAttributes, "common": &x.common, "openers": &x.openers, "forget leads": &x.forgetLeads,
		"fiction": &x.fiction, "no jobs": &x.noJobs, "not names": &x.notNames,
		"clause heads": &x.clauseHeads,
	}
	x.categoryNames = map[string]bool{}
	for _, s := range sets {
		*s = map[string]bool{}
	}
	lines("words", func(head, line string) {
		switch set, ok := sets[head]; {
		case ok:
			addWords(*set, line)
		case head == "contractions":
			short, long, _ := strings.Cut(line, " ")
			x.contractions[short] = long
		case head == "relations":
			addNamed(x.relations, line)
		case head == "categories":
			addNamed(x.categories, line)
			name, _, _ := strings.Cut(line, ":")
			x.categoryNames[name] = true
		case head == "attributes":
			addNamed(x.attributes, line)
		case strings.HasPrefix(head, "stops"):
			kind := strings.TrimSpace(strings.TrimPrefix(head, "stops"))
			if x.stops[kind] == nil {
				x.stops[kind] = map[string]bool{}
			}
			addWords(x.stops[kind], line)
		default:
			panic("decide: unknown list " + head)
		}
	})
	x.sorts = map[string]sorts{}
	for is, set := range map[sorts]map[string]bool{
		isAdverb: x.adverbs, isConjunction: x.conjunctions, isHedge: x.hedges, isOpener: x.openers, isFiction: x.fiction,
	} {
		for w := range set {
			x.sorts[w] |= is
		}
	}
	for w := range x.labels {
		x.sorts[w] |= isOpener
	}
	return x
}

// once patterns are compiled, tokenize needs the tables that load made: hence two steps.
var facts = sync.OnceValue(func() *lexicon {
	x, order := tables(), 0
	for _, lang := range strings.Fields("en de fr es it pt nl ru cjk") {
		var r *rule
		last := ""
		lines(lang, func(head, line string) {
			if r == nil || head != last {
				r, last = parseRule(head, lang), head
				r.order = order
				order++
			}
			x.patterns.add(compile(line, r))
		})
	}
	for w := range x.patterns.by {
		x.sorts[w] |= isFirst
	}
	for w := range x.patterns.loose {
		x.sorts[w] |= isLoose
	}
	for _, w := range [...]string{"i", "my", "our"} {
		x.sorts[w] |= isFirst
	}
	return x
})

// parseRule reads the head of a rule: [lives_in identity single].
func parseRule(head, lang string) *rule {
	f := strings.Fields(head)
	r := &rule{predicate: f[0], class: Class(f[1]), lang: lang}
	for _, flag := range f[2:] {
		switch {
		case flag == "single":
			r.single = true
		case flag == "list":
			r.list = true
		case flag == "query":
			r.query = true
		case flag == "whole":
			r.whole = true
		case flag == "dated":
			r.dated = true
		case flag == "attribute":
			r.attribute = true
		case strings.HasPrefix(flag, "of="):
			r.subject = flag[3:]
		default:
			panic("decide: unknown flag " + flag)
		}
	}
	return r
}

// lines visits the lines of a rules file under their [head].
func lines(name string, visit func(head, line string)) {
	b, err := ruleFiles.ReadFile("rules/" + name + ".txt")
	if err != nil {
		panic(err)
	}
	head := ""
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "# "):
		case strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]"):
			head = line[1 : len(line)-1]
		default:
			visit(head, line)
		}
	}
}

func addWords(set map[string]bool, line string) {
	for w := range strings.FieldsSeq(line) {
		set[strings.ReplaceAll(w, "_", " ")] = true
	}
}

// addNamed reads "name: word word".
func addNamed(m map[string]string, line string) {
	name, list, _ := strings.Cut(line, ":")
	for w := range strings.FieldsSeq(list) {
		m[strings.ReplaceAll(w, "_", " ")] = name
	}
}
