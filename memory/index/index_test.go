package index

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quantile(took []time.Duration, q float64) time.Duration {
	slices.Sort(took)
	return took[min(len(took)-1, int(q*float64(len(took))))]
}

var bg = context.Background()

// says is an episode of a scope.
func says(s record.Scope, seq int64, text string) *record.Record {
	return &record.Record{
		ID: record.EpisodeID(s, record.User, fmt.Sprint(seq, text)), Scope: s, Kind: record.Episode, Role: record.User, Trust: record.High,
		Text: text, Seq: seq, Said: someday, Sim: SimHash(text),
	}
}

func find(x *Index, s record.Scope, text string) (texts []string) {
	for _, h := range x.Search(bg, s, &store.Query{Text: text, Now: someday, Limit: 20}) {
		texts = append(texts, h.Record.Text)
	}
	return texts
}

func TestFindsWhatAnswers(t *testing.T) {
	x := New(Options{})
	for i, text := range []string{
		"Good morning! Did you sleep well?", "I adopted two kittens from the shelter yesterday.", "That is lovely, what are they called?",
		"Their names are Pixel and Byte.", "We deploy the payment service every Thursday.", "The weather was awful in Lisbon.",
		"My brother Jonas plays the saxophone in a band.",
		"The build failed with error ECONNRESET in src/proxy/dial.go.", "我们在北京的餐厅吃了烤鸭。",
	} {
		x.Put(says(me, int64(i), text))
	}
	for _, c := range []struct{ ask, want string }{
		{"when do we deploy payments?", "payment service"},
		{"who plays an instrument?", "saxophone"},
		{"What are the cats called?", "Pixel"},
		{"what did I adopt", "kittens"},
		{"ECONNRESET", "dial.go"},
		{"wether in lisbonn", "Lisbon"},
		{"北京烤鸭", "北京"},
	} {
		if got := find(x, me, c.ask); len(got) == 0 || !strings.Contains(got[0], c.want) {
			t.Errorf("%q finds %q", c.ask, got)
		}
	}
	for _, ask := range []string{"", "the of and", "?!", "zzzzqqq"} {
		if got := find(x, me, ask); len(got) != 0 {
			t.Errorf("%q finds %q", ask, got)
		}
	}
}

func TestShowsOnlyWhatIsWanted(t *testing.T) {
	x := New(Options{})
	other := record.Scope{Tenant: "t", User: "v", Session: "s"}
	elsewhere := record.Scope{Tenant: "t", User: "u", Session: "s2"}
	private := says(elsewhere, 1, "private heron")
	private.Private = true
	expired := says(me, 2, "expired heron")
	expired.Expires = someday
	closed := says(me, 3, "closed heron")
	closed.Kind, closed.Closed = record.Fact, someday.Add(-time.Hour)
	for _, r := range []*record.Record{
		says(other, 0, "foreign heron"), private, expired, closed, says(me, 4, "skipped heron"), says(elsewhere, 5, "plain heron"),
	} {
		x.Put(r)
	}
	skip := func(r *record.Record) bool { return strings.HasPrefix(r.Text, "skipped") }
	ask := func(s record.Scope, past bool) string {
		var texts []string
		for _, h := range x.Search(bg, s, &store.Query{Text: "heron", Now: someday, Limit: 9, Past: past, Skip: skip}) {
			texts = append(texts, strings.Fields(h.Record.Text)[0])
		}
		slices.Sort(texts)
		return strings.Join(texts, " ")
	}
	for _, c := range []struct {
		s    record.Scope
		past bool
		want string
	}{
		{me, false, "plain"},
		{me, true, "closed plain"},
		{elsewhere, false, "plain private"},
		{other, false, "foreign"},
		{record.Scope{Tenant: "t", Session: "s"}, false, ""},
		{record.Scope{Tenant: "t2", User: "u", Session: "s"}, true, ""},
		{record.Scope{}, true, ""},
	} {
		if got := ask(c.s, c.past); got != c.want {
			t.Errorf("%+v past %v sees %q, not %q", c.s, c.past, got, c.want)
		}
	}
}

func TestAnEndedContextFindsNothing(t *testing.T) {
	x := New(Options{})
	x.Put(says(me, 0, "a heron"))
	ctx, cancel := context.WithCancel(bg)
	cancel()
	if hits := x.Search(ctx, me, &store.Query{Text: "heron", Limit: 3}); hits != nil {
		t.Errorf("found %v", hits)
	}
}

func TestAFactStandsOnItsEpisode(t *testing.T) {
	x := New(Options{})
	source := says(me, 1, "I moved to Porto last spring, by the way.")
	fact := says(me, 1, "I moved to Porto")
	fact.Kind, fact.Sources = record.Fact, []record.ID{source.ID}
	x.Put(fact) // before its source
	x.Put(says(me, 0, "Which town do you call your residence?"))
	x.Put(source)
	legs := func() map[string]float32 {
		v := map[string]float32{}
		for _, h := range x.Search(bg, me, &store.Query{Text: "residence in Porto", Now: someday, Limit: 9}) {
			if h.Record == fact {
				for _, l := range h.Legs {
					v[l.Name] = l.Value
				}
			}
		}
		return v
	}
	with := legs()
	if with["fact"] != 1 || with["wide"] <= with["turn"]*.5 || with["answer"] == 0 && with["prev"] == 0 {
		t.Errorf("a fact does not have the neighbours of its episode: %v", with)
	}
	x.Delete(source.ID)
	if without := legs(); without["prev"] != 0 || without["fact"] != 1 {
		t.Errorf("a fact whose episode is gone: %v", without)
	}
}

func TestNear(t *testing.T) {
	x := New(Options{})
	r := says(me, 0, "Please remember that the staging database moves to the new cluster on Friday the 14th of March")
	x.Put(r)
	for _, c := range []struct {
		s    record.Scope
		k    record.Kind
		flip uint64
		bits int
		want bool
	}{
		{me, record.Episode, 0, 0, true},
		{me, record.Episode, 1 << 40, 0, false},
		{me, record.Episode, 1<<40 | 1<<3 | 1<<20, 3, true},
		{me, record.Episode, 1<<40 | 1<<3 | 1<<20 | 1<<60, 3, false},
		{me, record.Episode, 1<<40 | 1<<3 | 1<<20 | 1<<60 | 1, 6, true},
		{me, record.Fact, 0, 3, false},
		{record.Scope{Tenant: "t", User: "v", Session: "s"}, record.Episode, 0, 3, false},
	} {
		if id, ok := x.Near(c.s, c.k, r.Sim^c.flip, c.bits); ok != c.want || ok && id != r.ID {
			t.Errorf("%+v: %v", c, ok)
		}
	}
	x.Delete(r.ID)
	if _, ok := x.Near(me, record.Episode, r.Sim, 3); ok {
		t.Error("what was deleted is near")
	}
}

func TestVectors(t *testing.T) {
	x := New(Options{})
	a, b := says(me, 0, "the cat sat"), says(me, 9, "a dog ran")
	a.Vector, a.Model = []float32{.6, .8, 0}, "m"
	x.Put(a)
	x.Put(b)
	x.SetVector(b.ID, "m", []float32{0, -.6, .8})
	best := func(model string, v []float32) string {
		hits := x.Search(bg, me, &store.Query{Text: "zzz", Vector: v, Model: model, Now: someday, Limit: 1})
		if len(hits) == 0 {
			return ""
		}
		return hits[0].Record.Text
	}
	if got := best("m", []float32{.6, .8, 0}); got != a.Text {
		t.Errorf("nearest is %q", got)
	}
	if got := best("m", []float32{0, -.6, .8}); got != b.Text {
		t.Errorf("nearest is %q", got)
	}
	for _, got := range []string{best("other", []float32{.6, .8, 0}), best("m", []float32{1})} {
		if got != "" {
			t.Errorf("a vector of another model found %q", got)
		}
	}
	va, vb := newVector(0, []float32{.6, .8, 0}), newVector(0, []float32{0, -.6, .8})
	if c := va.cosine(vb); math.Abs(float64(c)+.48) > .01 {
		t.Errorf("cosine %v", c)
	}
}

func TestStatsFromOutside(t *testing.T) {
	whole, talk := New(Options{}), newTalk()
	var records []*record.Record
	for i := range 200 {
		r := talk.record(i)
		records = append(records, r)
		whole.Put(r)
	}
	stats := &Stats{Records: 200, Length: float64(whole.length) / 200, DF: func(term string) int {
		if n, ok := whole.numbers[term]; ok {
			return len(whole.lists[n].posts)
		}
		return 0
	}}
	part := New(Options{Stats: stats})
	for _, r := range records[:25] { // a session, with all neighbours
		part.Put(r)
	}
	want := map[record.ID]float32{}
	q := &store.Query{Text: records[3].Text, Now: someday, Limit: 500}
	leg := func(h store.Hit, name string) float32 {
		return h.Legs[slices.IndexFunc(h.Legs, func(l store.Leg) bool { return l.Name == name })].Value
	}
	for _, h := range whole.Search(bg, me, q) {
		want[h.Record.ID] = leg(h, "wide")
	}
	for _, h := range part.Search(bg, me, q) {
		if got := leg(h, "wide"); math.Abs(float64(got-want[h.Record.ID])) > 1e-4 {
			t.Errorf("%v is %v of the whole index, %v of a part with its statistics", h.Record.Seq, want[h.Record.ID], got)
		}
	}
}

// However records come and go, the index is as if only those that are left had been put into it.
func TestIsWhatIsLeft(t *testing.T) {
	vocabulary := strings.Fields("heron otter maple river lantern violin harbor? my 42 yesterday running runner pottery kettle")
	rapid.Check(t, func(t *rapid.T) {
		x := New(Options{})
		left := map[int]*record.Record{}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			n := rapid.IntRange(0, 11).Draw(t, "which")
			if old := left[n]; old != nil && rapid.Bool().Draw(t, "delete") {
				if !x.Delete(old.ID) || x.Delete(old.ID) {
					t.Fatal("Delete does not say whether there was anything")
				}
				delete(left, n)
				continue
			}
			s := me
			s.Session = fmt.Sprint(n / 6)
			r := says(s, int64(n%6), "")
			r.ID = record.ID{byte(n)}
			r.Text = strings.Join(rapid.SliceOfN(rapid.SampledFrom(vocabulary), 0, 6).Draw(t, "words"), " ")
			r.Sim = SimHash(r.Text)
			if n%4 == 3 {
				r.Kind, r.Sources = record.Fact, []record.ID{{byte(n - 1)}}
			}
			left[n] = r
			x.Put(r)
		}
		fresh := New(Options{})
		for n := range 12 {
			if r := left[n]; r != nil {
				fresh.Put(r)
			}
		}
		ask := strings.Join(rapid.SliceOfN(rapid.SampledFrom(vocabulary), 1, 4).Draw(t, "question"), " ")
		q := &store.Query{Text: ask, Now: someday, Limit: 50}
		scores := func(x *Index) map[record.ID]float32 {
			m := map[record.ID]float32{}
			for _, h := range x.Search(bg, me, q) {
				m[h.Record.ID] = h.Score
				var sum float32
				for _, l := range h.Legs {
					sum += l.Share
				}
				if math.Abs(float64(sum-h.Score)) > 1e-4 {
					t.Fatalf("the legs add up to %v, the score is %v", sum, h.Score)
				}
			}
			return m
		}
		got, want := scores(x), scores(fresh)
		if len(got) != len(want) || x.Len() != len(left) {
			t.Fatalf("found %v, not %v; %d of %d records", got, want, x.Len(), len(left))
		}
		for id, v := range want {
			if math.Abs(float64(got[id]-v)) > 1e-4 {
				t.Fatalf("%v scores %v, not %v", id, got[id], v)
			}
		}
		for _, r := range left {
			x.Delete(r.ID)
		}
		if n := len(x.numbers) + len(x.grams) + len(x.bands) + len(x.sessions.named) + len(x.facts) + len(x.byID) + len(x.stemmer.words); n != 0 {
			t.Fatalf("of records that are gone %d things are left", n)
		}
	})
}

// A shorter answer is the beginning of a longer one: bounding what is looked at closely leaves nothing out.
func TestLimitIsAPrefix(t *testing.T) {
	x, talk := filled(3000)
	for range 20 {
		q := &store.Query{Text: "when did we " + talk.text(4), Now: someday, Limit: 3000}
		all := x.Search(bg, me, q)
		q.Limit = 10
		for i, h := range x.Search(bg, me, q) {
			if h.Score != all[i].Score {
				t.Fatalf("%q: hit %d is %v, not %v", q.Text, i, h.Score, all[i].Score)
			}
		}
	}
}

func TestSearchesBesideChanges(t *testing.T) {
	x, talk := filled(300)
	var records []*record.Record
	for i := range 200 {
		records = append(records, talk.record(i))
	}
	question := talk.text(5)
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() {
			for range 60 {
				x.Search(bg, me, &store.Query{Text: question, Now: someday, Limit: 10})
				x.Near(me, record.Episode, 42, 3)
			}
		})
	}
	for _, r := range records {
		x.Put(r)
		x.SetVector(r.ID, "m", []float32{1, 0})
	}
	for _, r := range records {
		x.Delete(r.ID)
	}
	wait.Wait()
	if x.Len() != 300 {
		t.Errorf("%d records are left", x.Len())
	}
}
