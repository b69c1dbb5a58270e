package filtertest

import (
	"bytes"

	"github.com/trapgate/trapgate/filters"
)

// openingScenarios: streams that begin with a refusal, and some that only look like it.
func openingScenarios() []Scenario {
	const text = `{"role":"user","content":"shorter"},`
	rescuer := func(k *kit, asked *[]int) Rescuer {
		return Rescuer{Recorder: k.rec("rescuer"), Text: text, Asked: asked}
	}
	passes := func(name string, lost bool, answer func(k *kit) Answer, asked ...int) Scenario {
		return Scenario{Name: name, onlyStream: true, run: func(k *kit) {
			var got []int
			r := rescuer(k, &got)
			r.Lost = lost
			k.rings(nil, []filters.Filter{r})
			a := answer(k)
			o := k.play(a)
			if o.Status != 200 || !bytes.Equal(o.Body, a.Body) || o.Cut != (a.How == Cut) {
				k.Errorf("the agent got status %d, cut %t and\n%q\nwant all that the upstream said\n%q", o.Status, o.Cut, o.Body, a.Body)
			}
			k.requests(o, 1)
			k.found(got, asked...)
		}}
	}
	rescued := func(name string, chunk int) Scenario {
		return Scenario{Name: name, onlyStream: true, run: func(k *kit) {
			var asked []int
			k.rings(nil, []filters.Filter{rescuer(k, &asked)})
			k.c.Attempts = 1 // it is no retry
			first, want := refused(k.c.Dialect), k.say("a")
			first.Chunk = chunk
			o := k.play(first, want)
			k.gets(o, 200, want.Body)
			k.requests(o, 2)
			k.found(asked, 400)
			if len(o.Sent) == 2 && (bytes.Contains(o.Sent[0], []byte(text)) || !bytes.Contains(o.Sent[1], []byte(text))) {
				k.Errorf("sent:\n%s\n%s", o.Sent[0], o.Sent[1])
			}
			k.count("i1", filters.OpHead, 1) // nobody has seen the refusal
			k.count("o1", filters.OpHead, 1)
			k.closed("i1", errAny, nil)
		}}
	}
	return []Scenario{
		rescued("refusal in a stream with a way out", 0),
		rescued("refusal in a stream with a way out, in small pieces", 1),
		{Name: "refusal in a stream that is refused again", onlyStream: true, run: func(k *kit) {
			var asked []int
			k.rings(nil, []filters.Filter{rescuer(k, &asked)})
			last := refused(k.c.Dialect)
			last.Body = append([]byte(": and again\n\n"), last.Body...)
			o := k.play(refused(k.c.Dialect), last)
			k.gets(o, 200, last.Body)
			k.requests(o, 2)
			k.found(asked, 400)
		}},
		passes("refusal in a stream without a way out", true, func(k *kit) Answer { return refused(k.c.Dialect) }, 400),
		passes("failure behind the first token", false, func(k *kit) Answer { return refused(k.c.Dialect, "a") }),
		passes("opening that is no refusal", false, func(k *kit) Answer {
			a := k.say("a", "b")
			a.Chunk, a.Body = 7, append([]byte(": hold on\n\n"), a.Body...)
			return a
		}),
		{Name: "opening is read once", onlyStream: true, run: func(k *kit) {
			var seen []look
			var asked []int
			k.rings(nil, []filters.Filter{rescuer(k, &asked), k.looker("look", &seen)})
			want := k.say("ab", "cde")
			k.gets(k.play(want), 200, want.Body)
			k.reads(seen, 5)
		}},
		passes("opening that is cut", false, func(k *kit) Answer {
			a := k.say()
			a.Body, a.How = []byte(frames(k.c.Dialect)[0]), Cut
			return a
		}),
	}
}
