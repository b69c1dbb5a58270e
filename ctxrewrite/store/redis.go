package store

import (
	"context"
	_ "embed" // the script
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/trapgate/trapgate/internal/redisconn"
)

//go:embed redis.lua
var redisLua string

var redisScript = redis.NewScript(redisLua)

// Redis is a Store in Redis 5 or later, for sidecars on several machines: of replicas that make the same epoch at once, the first
// wins. Each call is one round trip, PutContents one for each MiB (or 256 contents). What a session has is in keys of its own that expire
// by themselves; an index of sessions bounds them all together, and no call looks at all keys. In a cluster everything is in one slot.
// Entries that another program took away, or the server evicted, are lost and nothing more.
type Redis struct {
	client redis.UniversalClient
	root   string
	opt    Options
}

var _ Store = (*Redis)(nil)

// NewRedis makes a store of a Redis that client reaches; prefix begins all keys, "" is "trapgate:context:". The client stays the
// caller's, who closes it; it should have ContextTimeoutEnabled, or calls outlast their contexts. Bytes bounds all sessions of the
// prefix, so all sidecars must have the same. Options.Now replaces the server's clock and is for tests.
func NewRedis(client redis.UniversalClient, prefix string, opt Options) *Redis {
	if prefix == "" {
		prefix = "trapgate:context:"
	}
	if !strings.Contains(prefix, "{") {
		prefix = "{" + prefix + "}" // a hash tag
	}
	return &Redis{client: client, root: prefix, opt: opt.withDefaults(DefaultBytes)}
}

// OpenRedis makes a store of the Redis at url (redis://, rediss:// or unix://; see redis.ParseURL), which need not be there yet: a
// call that it does not answer within timeout, or before its context ends, returns an error. Close it.
func OpenRedis(url, prefix string, timeout time.Duration, opt Options) (*Redis, error) {
	client, err := redisconn.Open(url, timeout)
	if err != nil {
		return nil, fmt.Errorf("context: %w", err)
	}
	return NewRedis(client, prefix, opt), nil
}

// Close closes the connections of a store that OpenRedis made.
func (s *Redis) Close() error { return s.client.Close() }

// PutEpoch implements Store.
func (s *Redis) PutEpoch(ctx context.Context, k Key, chain uint64, record []byte) ([]byte, error) {
	return s.put(ctx, "epoch", k, chain, record)
}

// Epochs implements Store.
func (s *Redis) Epochs(ctx context.Context, k Key) ([][]byte, error) { return s.all(ctx, "epoch", k) }

// PutNote implements Store.
func (s *Redis) PutNote(ctx context.Context, k Key, name uint64, note []byte) ([]byte, error) {
	return s.put(ctx, "note", k, name, note)
}

// Notes implements Store.
func (s *Redis) Notes(ctx context.Context, k Key) ([][]byte, error) { return s.all(ctx, "note", k) }

// put keeps a record of one kind, epoch or note.
func (s *Redis) put(ctx context.Context, kind string, k Key, number uint64, record []byte) ([]byte, error) {
	sealed, name := seal(record), strconv.FormatUint(number, 16)
	text, err := s.run(ctx, kind, member(k), name, sealed, "").Text()
	if err != nil {
		return nil, fmt.Errorf("context: redis: %w", err)
	}
	stands, bad := unseal([]byte(text))
	if bad == nil {
		return stands, nil
	}
	s.damaged("a record ("+kind+")", k.Tenant, name, bad)
	if text, err = s.run(ctx, kind, member(k), name, sealed, text).Text(); err != nil {
		return nil, fmt.Errorf("context: redis: %w", err)
	}
	if stands, err = unseal([]byte(text)); err != nil {
		return nil, fmt.Errorf("context: redis: the record that stands: %w", err)
	}
	return stands, nil
}

// all reads a session's records of one kind.
func (s *Redis) all(ctx context.Context, kind string, k Key) ([][]byte, error) {
	found, err := s.run(ctx, kind+"s", member(k)).StringSlice()
	if err != nil {
		return nil, fmt.Errorf("context: redis: %w", err)
	}
	type numbered struct {
		nth    string
		record []byte
	}
	var records []numbered
	for i := 0; i+1 < len(found); i += 2 {
		nth, sealed := found[i+1][:min(10, len(found[i+1]))], found[i+1][min(10, len(found[i+1])):]
		record, err := unseal([]byte(sealed))
		if err != nil {
			s.damaged("a record ("+kind+")", k.Tenant, found[i], err)
			continue
		}
		records = append(records, numbered{nth, record})
	}
	slices.SortFunc(records, func(a, b numbered) int { return strings.Compare(a.nth, b.nth) })
	var all [][]byte
	for _, e := range records {
		all = append(all, e.record)
	}
	return all, nil
}

// PutContents implements Store.
func (s *Redis) PutContents(ctx context.Context, k Key, contents []Content) error {
	kept, err := keepable(contents)
	for part := range portions(kept) {
		args := []any{member(k), counted(k.Tenant)}
		for i := range part {
			args = append(args, part[i].handle, part[i].bytes)
		}
		if run := s.run(ctx, "contents", args...).Err(); run != nil {
			return errors.Join(err, fmt.Errorf("context: redis: %w", run))
		}
	}
	return err
}

// Content implements Store.
func (s *Redis) Content(ctx context.Context, tenant, handle string) (Content, error) {
	text, err := s.run(ctx, "content", counted(tenant), handle).Text()
	if errors.Is(err, redis.Nil) {
		return Content{}, ErrUnknown
	}
	if err != nil {
		return Content{}, fmt.Errorf("context: redis: %w", err)
	}
	c, err := unpack(handle, []byte(text))
	if err != nil {
		s.damaged("a content", tenant, handle, err)
		return Content{}, ErrUnknown
	}
	return c, nil
}

// page is how many sessions are listed in one round trip.
const page = 256

// Sessions implements Store. One that is used while they are listed may be listed at its old place or its new one.
func (s *Redis) Sessions(ctx context.Context, tenant string) (all []Session, err error) {
	seen := map[Key]bool{}
	for from := 0; ; from += page {
		found, err := s.run(ctx, "sessions", from, page).StringSlice()
		if err != nil {
			return nil, fmt.Errorf("context: redis: %w", err)
		}
		last := len(found) < 5*page
		for ; len(found) >= 5; found = found[5:] {
			x, ok := listed(found)
			if !ok {
				s.damaged("a session", "", found[0], errDamaged)
			} else if !seen[x.Key] && (tenant == "" || tenant == x.Tenant) {
				seen[x.Key] = true
				all = append(all, x)
			}
		}
		if last {
			return all, nil
		}
	}
}

// listed reads a session as the script lists it.
func listed(f []string) (x Session, ok bool) {
	if x.Key, ok = keyOf(f[0]); !ok {
		return x, false
	}
	used, err := strconv.ParseFloat(f[1], 64)
	x.Used = time.UnixMilli(int64(used))
	for i, to := range [...]*int{&x.Epochs, &x.Contents} {
		var e error
		*to, e = strconv.Atoi(f[2+i])
		err = errors.Join(err, e)
	}
	var e error
	x.Bytes, e = strconv.ParseInt(f[4], 10, 64)
	return x, errors.Join(err, e) == nil
}

// Forget implements Store.
func (s *Redis) Forget(ctx context.Context, k Key) error {
	if err := s.run(ctx, "forget", member(k), counted(k.Tenant)).Err(); err != nil {
		return fmt.Errorf("context: redis: %w", err)
	}
	return nil
}

func (s *Redis) run(ctx context.Context, call string, args ...any) *redis.Cmd {
	now := ""
	if s.opt.Now != nil {
		now = strconv.FormatInt(s.opt.Now().UnixMilli(), 10)
	}
	args = append([]any{call, now, s.opt.TTL.Milliseconds(), s.opt.Bytes}, args...)
	return redisScript.Run(ctx, s.client, []string{s.root}, args...)
}

func (s *Redis) damaged(what, tenant, name string, err error) {
	s.opt.Log.Error("context: "+what+" in Redis is skipped", "tenant", tenant, "name", name, "err", err)
}

// counted is a name behind its length, so that what follows it cannot be taken for a part of it.
func counted(name string) string { return strconv.Itoa(len(name)) + ":" + name }

// member is a session's name in keys and in the index.
func member(k Key) string { return counted(k.Tenant) + k.Session }

func keyOf(member string) (Key, bool) {
	size, rest, ok := strings.Cut(member, ":")
	n, err := strconv.Atoi(size)
	if !ok || err != nil || n < 0 || n > len(rest) {
		return Key{}, false
	}
	return Key{rest[:n], rest[n:]}, true
}
