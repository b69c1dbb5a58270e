package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/trapgate/trapgate/memory/index"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// A speaker makes sentences of 23 words whose frequencies fall as those of a language do.
type speaker struct {
	r    *rand.Rand
	zipf *rand.Zipf
}

func newSpeaker(seed uint64) *speaker {
	r := rand.New(rand.NewPCG(seed, 1))
	return &speaker{r, rand.NewZipf(r, 1.1, 4, 20_000)}
}

func (s *speaker) word() string {
	syllables := [...]string{"ba", "co", "di", "fu", "ge", "lo", "ma", "ni", "pe", "ru", "sa", "te", "vo", "wi", "ki", "ho"}
	var b strings.Builder
	n := s.zipf.Uint64()
	for k := 0; k < 2 || n > 0; k++ {
		b.WriteString(syllables[n%16])
		n /= 16
	}
	return b.String()
}

func (s *speaker) sentence() string {
	words := make([]string, 23)
	for i := range words {
		words[i] = s.word()
	}
	return strings.Join(words, " ") + "."
}

// question is five words of a sentence.
func (s *speaker) question(of string) string {
	words := strings.Fields(strings.TrimSuffix(of, "."))
	s.r.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
	return "What about " + strings.Join(words[:5], " ") + "?"
}

// fill puts so many records of a user into a store, and returns some of their sentences.
func fill(ctx context.Context, s store.Store, tenant, user string, records int, seed uint64) (some []string, err error) {
	const batch = 2000
	say, now := newSpeaker(seed), time.Now().Add(-30*24*time.Hour)
	for n := 0; n < records; {
		c := store.Changes{Tenant: tenant, At: time.Now()}
		for ; len(c.Add) < batch && n < records; n++ {
			at := now.Add(time.Duration(n) * time.Second)
			scope := record.Scope{Tenant: tenant, User: user, Agent: "a", Session: fmt.Sprint("session-", n/22)}
			text := say.sentence()
			c.Add = append(c.Add, &record.Record{
				ID: record.EpisodeID(scope, record.User, text), Scope: scope, Kind: record.Episode, Role: record.User,
				Origin: record.Captured, Trust: record.High, Text: text, Seq: int64(n), Said: at, Created: at,
				Expires: at.Add(90 * 24 * time.Hour), Importance: 0.5, Text64: record.TextKey(text), Sim: index.SimHash(text),
			})
			if n%97 == 0 {
				some = append(some, text)
			}
		}
		if err := s.Apply(ctx, c); err != nil {
			return nil, err
		}
	}
	return some, nil
}
