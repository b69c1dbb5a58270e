package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trapgate/trapgate/ctxrewrite/store"
)

func epochs(w *world) {
	w.epochs(key("s"))
	w.stands(key("s"), 9, "first", "first")
	w.stands(key("s"), 1<<63+1, "second", "second")
	w.stands(key("s"), 5, "third\x00\xff", "third\x00\xff")
	w.stands(key("s"), 9, "too late", "first")
	w.stands(key("other"), 9, "its own", "its own")
	w.epochs(key("s"), "first", "second", "third\x00\xff")
	w.epochs(key("s"), "first", "second", "third\x00\xff")
	w.epochs(key("other"), "its own")
	var want []string
	for i := range 12 {
		want = append(want, strings.Repeat(string(rune('a'+i)), 100))
		w.stands(key("long"), uint64(100-i), want[i], want[i])
	}
	w.epochs(key("long"), want...)
}

func notes(w *world) {
	w.notes(key("s"))
	w.noted(key("s"), 1<<63+9, "first rule", "first rule")
	w.stands(key("s"), 9, "epoch", "epoch")
	w.noted(key("s"), 9, "second", "second") // an epoch of the same number is something else
	w.noted(key("s"), 1<<63+9, "too late", "first rule")
	w.noted(store.Key{Tenant: "u", Session: "s"}, 9, "of another", "of another")
	w.notes(key("s"), "first rule", "second")
	w.notes(key("s"), "first rule", "second")
	w.epochs(key("s"), "epoch")
	if s := w.list("t", key("s"))[0]; s.Epochs != 1 || s.Bytes < int64(len("epochfirst rulesecond")) {
		w.Errorf("%+v", s)
	}
	w.later(ttl * 6 / 10)
	w.notes(key("s"), "first rule", "second") // read, which prolongs it
	w.later(ttl * 6 / 10)
	w.epochs(key("s"), "epoch")
	w.ok(w.Forget(w.ctx, key("s")))
	w.notes(key("s"))
	w.noted(key("s"), 9, "anew", "anew")
	w.later(2 * ttl)
	w.notes(key("s"))
	w.list("t")
}

func writers(w *world) {
	for round := range 10 {
		k := key(fmt.Sprint(round))
		var wg sync.WaitGroup
		stood := make([]string, 16)
		begin := make(chan struct{})
		for i := range stood {
			wg.Go(func() {
				<-begin
				record, err := w.PutEpoch(w.ctx, k, 7, fmt.Appendf(nil, "of writer %d", i))
				if err != nil {
					w.Error(err)
				}
				stood[i] = string(record)
			})
		}
		close(begin)
		wg.Wait()
		slices.Sort(stood)
		if one := slices.Compact(stood); len(one) != 1 || !strings.HasPrefix(one[0], "of writer ") {
			w.Fatalf("writers were told of %q", one)
		}
		w.epochs(k, stood[0])
	}
}

func contents(w *world) {
	w.unknown("t", "ctx:1")
	large := content("ctx:large", 300<<10)
	text := store.Content{Handle: "ctx:text", Body: []byte(strings.Repeat(`{"role":"user","content":"ä"}`, 1000))}
	empty := store.Content{Handle: "ctx:empty", Tool: "t"}
	w.put(key("s"), large, text, empty)
	for _, c := range []store.Content{large, text, empty} {
		w.has("t", c)
		w.has("t", c) // what was returned is the caller's
	}
	given := content("ctx:given", 100)
	given.Body = slices.Clone(given.Body)
	w.put(key("s"), given)
	clear(given.Body)
	w.has("t", content("ctx:given", 100))
	w.put(key("s"), large)
	all := w.list("t", key("s"))
	if s := all[0]; s.Contents != 4 || s.Bytes < 300<<10 || s.Bytes > 340<<10 {
		w.Errorf("%+v", s)
	}
}

func tooLarge(w *world) {
	huge := store.Content{Handle: "ctx:huge", Body: make([]byte, store.MaxContent+1)}
	most := store.Content{Handle: "ctx:most", Body: make([]byte, store.MaxContent)} // compresses, but not in memory
	small := content("ctx:small", 10)
	err := w.PutContents(w.ctx, key("s"), []store.Content{huge, small})
	if !errors.Is(err, store.ErrTooLarge) || !strings.Contains(err.Error(), "ctx:huge") || strings.Contains(err.Error(), "ctx:small") {
		w.Errorf("the error of one that is too large is %v", err)
	}
	w.unknown("t", "ctx:huge")
	w.has("t", small)
	if err := w.PutContents(w.ctx, key("none"), []store.Content{huge}); !errors.Is(err, store.ErrTooLarge) {
		w.Errorf("the error of one alone is %v", err)
	}
	w.list("t", key("s"))
	w.put(key("most"), most) // no error: whether it stays is the bound's affair
}

func many(w *world) {
	var all []store.Content
	for i := range 1500 {
		all = append(all, content(fmt.Sprintf("ctx:%04d", i), 20))
	}
	w.put(key("s"), all...)
	for _, i := range []int{0, 255, 256, 257, 1023, 1499} {
		w.has("t", all[i])
	}
	if s := w.list("t", key("s"))[0]; s.Contents != len(all) {
		w.Errorf("%+v", s)
	}
}

func timeToLive(w *world) {
	w.stands(key("read"), 1, "r", "r")
	w.put(key("written"), content("ctx:a", 10))
	w.stands(key("left"), 1, "l", "l")
	w.put(key("left"), content("ctx:b", 10))
	w.later(ttl * 6 / 10)
	w.epochs(key("read"), "r")
	w.put(key("written"), content("ctx:c", 10))
	w.has("t", content("ctx:b", 10)) // found, which does not prolong it
	w.later(ttl * 6 / 10)
	w.epochs(key("left"))
	w.unknown("t", "ctx:b")
	w.has("t", content("ctx:a", 10))
	w.epochs(key("read"), "r")
	if all, err := w.Sessions(w.ctx, ""); err != nil || len(all) != 2 {
		w.Fatalf("sessions: %+v, %v", all, err)
	}
	w.stands(key("left"), 2, "again", "again") // and nothing old comes back with it
	w.stands(key("left"), 1, "new", "new")
	w.epochs(key("left"), "again", "new")
	w.unknown("t", "ctx:b")
	w.later(2 * ttl)
	w.list("")
}

func oldestFirst(w *world) {
	for i := range 4 {
		w.put(key(fmt.Sprint(i)), content(fmt.Sprint("ctx:", i), bound/5))
		w.stands(key(fmt.Sprint(i)), 1, "e", "e")
		w.later(time.Minute)
	}
	w.epochs(key("0"), "e") // used: 1 is the oldest now
	w.later(time.Minute)
	w.put(key("4"), content("ctx:4", bound/4))
	w.unknown("t", "ctx:1")
	w.epochs(key("1"))
	w.list("t", key("4"), key("0"), key("3"), key("2"))
	w.later(time.Minute)
	w.put(key("5"), content("ctx:5", bound/2))
	w.list("t", key("5"), key("4"), key("0"))
	w.has("t", content("ctx:0", bound/5))
	w.later(time.Minute)
	w.put(key("6"), content("ctx:6", bound*9/10))
	if all := w.list("", key("6")); all[0].Bytes > bound {
		w.Errorf("over the bound: %+v", all)
	}
}

func alone(w *world) {
	w.stands(key("s"), 1, "e", "e")
	for i := range 10 {
		w.put(key("s"), content(fmt.Sprint("ctx:", i), bound/4))
		w.later(time.Second)
	}
	w.epochs(key("s"), "e")
	w.unknown("t", "ctx:6")
	for i := 7; i < 10; i++ {
		w.has("t", content(fmt.Sprint("ctx:", i), bound/4))
	}
	if s := w.list("t", key("s"))[0]; s.Contents != 3 || s.Bytes > bound || s.Epochs != 1 {
		w.Errorf("%+v", s)
	}
}

func tenants(w *world) {
	a, b := store.Key{Tenant: "a", Session: "s"}, store.Key{Tenant: "b", Session: "s"}
	w.stands(a, 1, "of a", "of a")
	w.stands(b, 1, "of b", "of b")
	w.put(a, content("ctx:a", 10))
	w.put(b, content("ctx:b", 20))
	w.has("a", content("ctx:a", 10))
	w.unknown("b", "ctx:a")
	w.unknown("", "ctx:a")
	w.list("a", a)
	w.list("c")
	w.ok(w.Forget(w.ctx, a))
	w.epochs(a)
	w.epochs(b, "of b")
	w.unknown("a", "ctx:a")
	w.has("b", content("ctx:b", 20))
}

func names(w *world) {
	keys := []store.Key{
		{},
		{Tenant: "a", Session: "b:c"},
		{Tenant: "a:b", Session: "c"},
		{Tenant: "a\x00", Session: "b"},
		{Tenant: "a", Session: "\x00b"},
		{Tenant: "", Session: "1:a"},
		{Tenant: "1:a", Session: ""},
		{Tenant: "{x}", Session: "}{"},
		{Tenant: "%_*?", Session: "'; --"},
		{Tenant: "total", Session: "total"},
		{Tenant: "ä", Session: "🙂"},
	}
	for i, k := range keys {
		own := content(fmt.Sprint("ctx:own", i), 10+i)
		w.stands(k, 1, fmt.Sprint(i), fmt.Sprint(i))
		w.put(k, own, content("ctx:all", 50))
		w.has(k.Tenant, own)
		w.later(time.Second)
	}
	for i, k := range keys {
		w.epochs(k, fmt.Sprint(i))
		w.later(time.Second)
	}
	all := slices.Clone(keys)
	slices.Reverse(all)
	w.list("", all...)
	w.list("ä", store.Key{Tenant: "ä", Session: "🙂"})
}

func forget(w *world) {
	for i := range 300 {
		w.stands(key(fmt.Sprintf("%03d", i)), 1, "e", "e")
		w.later(time.Millisecond)
	}
	all, err := w.Sessions(w.ctx, "t")
	w.ok(err)
	if len(all) != 300 || all[0].Session != "299" || all[299].Session != "000" || all[0].Epochs != 1 || all[0].Contents != 0 || all[0].Bytes == 0 {
		w.Fatalf("%d sessions, %+v", len(all), all)
	}
	if at := w.clock().Add(-time.Millisecond); !all[0].Used.Equal(at) {
		w.Errorf("the last was used at %v, want %v", all[0].Used, at)
	}
	w.ok(w.Forget(w.ctx, key("unknown")))
	for i := range 298 {
		w.ok(w.Forget(w.ctx, key(fmt.Sprintf("%03d", i))))
	}
	w.list("", key("299"), key("298"))
	w.epochs(key("000"))
	w.stands(key("000"), 1, "another", "another")
}

func purge(w *world) {
	secret := func(text []byte) bool { return bytes.Contains(text, []byte("secret")) }
	for _, k := range []store.Key{key("a"), key("b"), {Tenant: "other", Session: "a"}} {
		w.stands(k, 1, "first", "first")
		w.stands(k, 2, "a secret", "a secret")
		w.stands(k, 3, "third", "third")
		w.noted(k, 1, "p a secret", "p a secret")
		w.noted(k, 2, "p a rule", "p a rule")
		w.put(k, content("ctx:plain", 100), store.Content{Handle: "ctx:body", Body: []byte("the secret")}, store.Content{Handle: "ctx:args", Args: "secret", Body: []byte("b")})
	}
	w.settle()
	before, err := w.Sessions(w.ctx, "t")
	w.ok(err)
	n, err := w.Purge(w.ctx, "t", secret)
	w.ok(err)
	if n != 8 {
		w.Errorf("%d entries are removed, want 8", n)
	}
	for _, k := range []store.Key{key("a"), key("b")} {
		w.epochs(k, "first", "third")
		w.notes(k, "p a rule")
		w.stands(k, 4, "fourth", "fourth") // behind the others, as before
		w.epochs(k, "first", "third", "fourth")
	}
	w.unknown("t", "ctx:body")
	w.unknown("t", "ctx:args")
	w.has("t", content("ctx:plain", 100))
	w.epochs(store.Key{Tenant: "other", Session: "a"}, "first", "a secret", "third")
	after, err := w.Sessions(w.ctx, "t")
	w.ok(err)
	if len(after) != 2 || after[0].Bytes >= before[0].Bytes || after[0].Contents != 1 {
		w.Errorf("%+v, before %+v", after, before)
	}
	if n, err := w.Purge(w.ctx, "t", secret); n != 0 || err != nil {
		w.Errorf("again: %d, %v", n, err)
	}
	if n, err := w.Purge(w.ctx, "", secret); n != 0 || err != nil {
		w.Errorf("of no tenant: %d, %v", n, err)
	}
}

func shared(w *world) {
	c := content("ctx:shared", 1000)
	for i := range 20 {
		w.put(key(fmt.Sprint(i)), c)
		w.later(time.Second)
	}
	w.ok(w.Forget(w.ctx, key("19")))
	w.has("t", c)
	for i := range 15 {
		w.ok(w.Forget(w.ctx, key(fmt.Sprint(i))))
	}
	w.has("t", c)
	for i := 15; i < 19; i++ {
		w.ok(w.Forget(w.ctx, key(fmt.Sprint(i))))
	}
	w.unknown("t", c.Handle)
}

func allAtOnce(w *world) {
	var wg sync.WaitGroup
	check := func(err error) {
		if err != nil && !errors.Is(err, store.ErrUnknown) {
			w.Error(err)
		}
	}
	for i := range 8 {
		wg.Go(func() {
			for n := range 40 {
				k := key(fmt.Sprint((i + n) % 5))
				_, err := w.PutEpoch(w.ctx, k, uint64(n%7), []byte("epoch"))
				check(err)
				check(w.PutContents(w.ctx, k, []store.Content{content(fmt.Sprint("ctx:", n), bound/16)}))
				_, err = w.Content(w.ctx, "t", fmt.Sprint("ctx:", n))
				check(err)
				records, err := w.Epochs(w.ctx, k)
				check(err)
				for _, r := range records {
					if string(r) != "epoch" {
						w.Errorf("an epoch is %q", r)
					}
				}
				_, err = w.Sessions(w.ctx, "")
				check(err)
				if n%20 == i {
					check(w.Forget(w.ctx, k))
				}
			}
		})
	}
	wg.Wait()
	var bytes int64
	all, err := w.Sessions(w.ctx, "")
	w.ok(err)
	for _, s := range all {
		bytes += s.Bytes
	}
	if bytes > bound || bytes == 0 {
		w.Errorf("%d bytes in %+v", bytes, all)
	}
}
