package memory

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/trapgate/trapgate/memory/store"
)

// A picky embedder has no vector for some texts, refuses others, and takes too long for many.
type picky struct {
	bag
	blank, refused string // in texts
	most           int    // texts, in time
}

type refusal struct{}

func (refusal) Error() string { return "refused with status 400" }
func (refusal) OfTexts() bool { return true }

func (p *picky) Embed(ctx context.Context, tenant string, texts []string) ([][]float32, error) {
	if p.most > 0 && len(texts) > p.most {
		return nil, fmt.Errorf("asking: %w", context.DeadlineExceeded)
	}
	for _, text := range texts {
		if p.refused != "" && strings.Contains(text, p.refused) {
			return nil, refusal{}
		}
	}
	vectors, err := p.bag.Embed(ctx, tenant, texts)
	for i, text := range texts {
		if p.blank != "" && err == nil && strings.Contains(text, p.blank) {
			clear(vectors[i])
		}
	}
	return vectors, err
}

// What an embedder cannot do with some texts, or with many at once, keeps no other text from its vector.
func TestEveryTextThatCanBeEmbeddedIs(t *testing.T) {
	for _, c := range []struct {
		name string
		by   *picky
		left int
	}{
		{"no direction", &picky{blank: "beside"}, 20},
		{"refused", &picky{refused: "umbrella"}, 1},
		{"slow", &picky{most: 3}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newKit(t, nil, func(_ *Config, o *Options) { o.Embed = c.by })
			k.say(user("ann", "s0"), "My umbrella is green and belongs to Henry.")
			for i := range 20 {
				k.say(user("ann", "s1"), "Crate "+names[i%20]+" stands in hall "+names[(i*7+3)%20]+" beside the "+names[(i*3+i/20)%20]+" boxes.")
			}
			all := len(k.records(store.Filter{}))
			for end := time.Now().Add(5 * time.Second * slower); ; time.Sleep(5 * time.Millisecond) {
				bare, _ := k.fake.Bare(context.Background(), "t1", "bag", 1000)
				if len(bare) <= c.left && len(bare) < all {
					return
				}
				if time.Now().After(end) {
					t.Fatalf("%d of %d records have no vector", len(bare), all)
				}
			}
		})
	}
}

// An operator's search waits for its embedding, which a recall has no time for.
func TestSearchWaitsForTheEmbedding(t *testing.T) {
	by := &bag{slow: 100 * time.Millisecond}
	k := newKit(t, nil, func(_ *Config, o *Options) { o.Deadline = 20 * time.Millisecond })
	k.say(user("ann", "s1"), "My sister Clara plays the cello in Leipzig.")
	if r := k.ask(user("ann", "s2"), "What does Clara play?", func(q *Question) { q.Embed = by }); r.Dense != DenseLate {
		t.Errorf("%q", r.Dense)
	}
	k.opt.Embed = by
	if _, err := k.Search(t.Context(), user("ann", "s3"), "Which instrument?", 5, false); err != nil {
		t.Fatal(err)
	}
	if n := k.vectors.Len(); n != 1 {
		t.Errorf("%d questions embedded", n)
	}
}
