package memory

import (
	"context"
	"errors"
	"hash/fnv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// A bag is an embedder: words, hashed. It can be slow, broken, or panic.
type bag struct {
	asked atomic.Int64
	slow  time.Duration
	err   error
	panic bool
}

func (b *bag) Model() string { return "bag" }

func (b *bag) Embed(ctx context.Context, _ string, texts []string) ([][]float32, error) {
	b.asked.Add(int64(len(texts)))
	if b.panic {
		panic("no")
	}
	if b.err != nil {
		return nil, b.err
	}
	if b.slow > 0 && !pause(ctx, b.slow) {
		return nil, ctx.Err()
	}
	vectors := make([][]float32, len(texts))
	for i, text := range texts {
		vectors[i] = make([]float32, 64)
		for w := range strings.FieldsSeq(strings.ToLower(text)) {
			h := fnv.New32()
			h.Write([]byte(w))
			vectors[i][h.Sum32()%64]++
		}
	}
	return vectors, nil
}

func TestDense(t *testing.T) {
	for _, c := range []struct {
		name string
		by   *bag
		want Dense
	}{
		{"used", &bag{}, DenseUsed},
		{"late", &bag{slow: time.Minute}, DenseLate},
		{"failed", &bag{err: errors.New("401")}, DenseFailed},
		{"panics", &bag{panic: true}, DenseFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newKit(t, nil, func(_ *Config, o *Options) { o.Deadline = 300 * time.Millisecond * slower })
			k.say(user("ann", "s1"), "My sister Clara plays the cello in Leipzig.")
			by := func(q *Question) { q.Embed = c.by }
			r := k.ask(user("ann", "s2"), "What does Clara play?", by)
			if r.Dense != c.want || r.Late || !strings.Contains(r.Note.Text, "Leipzig") {
				t.Errorf("%+v", r)
			}
			asked := c.by.asked.Load()
			if r = k.ask(user("ann", "s3"), "What does Clara play?", by); c.want == DenseUsed && c.by.asked.Load() != asked {
				t.Error("embedded twice")
			}
		})
	}
}

func TestStoredTextsAreEmbeddedBesideThePath(t *testing.T) {
	by := &bag{}
	k := newKit(t, nil, func(_ *Config, o *Options) { o.Embed = by })
	for i := range 40 {
		k.say(user("ann", "s1"), "Crate "+names[i%20]+" stands in hall "+names[(i*7+3)%20]+" beside the "+names[(i*3+i/20)%20]+" boxes.")
	}
	for i := 0; ; i++ {
		bare, _ := k.fake.Bare(context.Background(), "t1", "bag", 1000)
		if len(bare) == 0 {
			break
		}
		if i > 2000 {
			t.Fatalf("%d records without a vector", len(bare))
		}
		time.Sleep(time.Millisecond)
	}
	for _, r := range k.records(store.Filter{}) {
		var sum float32
		for _, x := range r.Vector {
			sum += x * x
		}
		if sum < 0.99 || sum > 1.01 {
			t.Errorf("length %v of %q", sum, r.Text)
		}
	}
	if n := len(k.records(store.Filter{Kind: record.Episode})); n < 30 {
		t.Errorf("%d episodes", n)
	}
}

func TestCloseEndsEmbedding(t *testing.T) {
	f := newFake()
	e, err := New(Config{}, Options{Store: f, Embed: &bag{slow: time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	e.Learn(Turn{Scope: user("ann", "s"), Messages: []Message{{Role: record.User, Text: "Crate nine stands in the hall."}}})
	if err := e.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * embedPause)
	begin := time.Now()
	if err := e.Close(); err != nil || time.Since(begin) > time.Second {
		t.Error(err, time.Since(begin))
	}
}
