//go:build e2e

package redis

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/trapgate/trapgate/ctxrewrite/store"
	"github.com/trapgate/trapgate/ctxrewrite/store/storetest"
)

func TestContextStore(t *testing.T) {
	s := start(t)
	client := goredis.NewClient(&goredis.Options{Addr: s.Addr, MaxRetries: -1})
	defer client.Close()
	var opened atomic.Int64
	storetest.Run(t, func(_ *testing.T, opt store.Options) store.Store {
		return store.NewRedis(client, fmt.Sprintf("context:%d:", opened.Add(1)), opt)
	})
	t.Run("damaged entries", func(t *testing.T) { damagedContext(t, client) })
	t.Run("the server's clock", func(t *testing.T) { expiringContext(t, client) })
	t.Run("replicas", func(t *testing.T) { replicas(t, s.Addr) })
	t.Run("a restart", func(t *testing.T) {
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if err := client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		c := store.NewRedis(client, "", store.Options{})
		if got, err := c.PutEpoch(t.Context(), store.Key{Session: "s"}, 1, []byte("after it")); err != nil || string(got) != "after it" {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// damagedContext changes what is stored: it is skipped, and can be stored again.
func damagedContext(t *testing.T, client *goredis.Client) {
	ctx, k := t.Context(), store.Key{Tenant: "t", Session: "s"}
	c := store.NewRedis(client, "damaged:", store.Options{})
	body := []byte(strings.Repeat("content ", 100))
	for chain := range uint64(3) {
		if _, err := c.PutEpoch(ctx, k, chain, fmt.Appendf(nil, "epoch %d", chain)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.PutContents(ctx, k, []store.Content{{Handle: "ctx:1", Body: body}}); err != nil {
		t.Fatal(err)
	}
	for key, field := range map[string]string{"{damaged:}e:1:ts": "1", "{damaged:}c:1:ts": "ctx:1"} {
		was, err := client.HGet(ctx, key, field).Bytes()
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		was[len(was)-1] ^= 1
		if err := client.HSet(ctx, key, field, was).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := c.Epochs(ctx, k); err != nil || len(all) != 2 || string(all[1]) != "epoch 2" {
		t.Errorf("epochs: %q, %v", all, err)
	}
	if _, err := c.Content(ctx, "t", "ctx:1"); err != store.ErrUnknown {
		t.Errorf("a damaged content: %v", err)
	}
	if got, err := c.PutEpoch(ctx, k, 1, []byte("better")); err != nil || string(got) != "better" {
		t.Errorf("instead of a damaged epoch: %q, %v", got, err)
	}
	if err := c.PutContents(ctx, k, []store.Content{{Handle: "ctx:1", Body: body}}); err != nil {
		t.Error(err)
	}
	if got, err := c.Content(ctx, "t", "ctx:1"); err != nil || string(got.Body) != string(body) {
		t.Errorf("instead of a damaged content: %q, %v", got.Body, err)
	}
	if all, err := c.Epochs(ctx, k); err != nil || len(all) != 3 || string(all[1]) != "better" {
		t.Errorf("epochs: %q, %v", all, err)
	}
}

// expiringContext leaves everything to the server: no key outlives the time to live.
func expiringContext(t *testing.T, client *goredis.Client) {
	ctx, k := t.Context(), store.Key{Tenant: "t", Session: "s"}
	c := store.NewRedis(client, "short:", store.Options{TTL: 300 * time.Millisecond})
	if _, err := c.PutEpoch(ctx, k, 1, []byte("e")); err != nil {
		t.Fatal(err)
	}
	if err := c.PutContents(ctx, k, []store.Content{{Handle: "ctx:1", Body: []byte("b")}}); err != nil {
		t.Fatal(err)
	}
	keys, err := client.Keys(ctx, "{short:}*").Result()
	if err != nil || len(keys) != 6 {
		t.Fatalf("keys: %q, %v", keys, err)
	}
	for deadline := time.Now().Add(5 * time.Second); len(keys) > 0 && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if keys, err = client.Keys(ctx, "{short:}*").Result(); err != nil {
			t.Fatal(err)
		}
	}
	if len(keys) > 0 {
		t.Errorf("keys that outlive the time to live: %q", keys)
	}
}

// replicas are stores with connections of their own that make the same epochs at once.
func replicas(t *testing.T, addr string) {
	const stores, rounds = 4, 200
	stood := make([][rounds]string, stores)
	var wg sync.WaitGroup
	for i := range stores {
		wg.Go(func() {
			client := goredis.NewClient(&goredis.Options{Addr: addr})
			defer client.Close()
			c := store.NewRedis(client, "replicas:", store.Options{})
			for n := range rounds {
				record, err := c.PutEpoch(context.Background(), store.Key{Session: "s"}, uint64(n), fmt.Appendf(nil, "%d of %d", n, i))
				if err != nil {
					t.Error(err)
				}
				stood[i][n] = string(record)
			}
		})
	}
	wg.Wait()
	won := map[byte]int{}
	for n := range rounds {
		one := stood[0][n]
		for i := range stores {
			if stood[i][n] != one || !strings.HasPrefix(one, fmt.Sprintf("%d of ", n)) {
				t.Fatalf("epoch %d: %q stands for the first, %q for another", n, one, stood[i][n])
			}
		}
		won[one[len(one)-1]]++
	}
	t.Logf("%d epochs of %d replicas; won: %v", rounds, stores, won)
}
