package qdrant

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	pb "github.com/qdrant/go-client/qdrant"

	"github.com/trapgate/trapgate/memory/qdrant/qdranttest"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

func TestVersion(t *testing.T) {
	for have, want := range map[string]bool{
		"1.17.0": true, "1.17.1": true, "1.18.0": true, "2.0.0": true, "v1.17.2-dev": true, "1.17.0-rc1": true, "dev": true, "1.17": true,
		"1.16.9": false, "0.11.0": false, "1.9.99": false,
	} {
		if got := atLeast(have, leastVersion); got != want {
			t.Errorf("%s is new enough: %v", have, got)
		}
	}
	srv := server(t, qdranttest.Options{Version: "1.12.4"})
	helps(t, open(t, srv, nil).Ready(t.Context()), ErrVersion, "1.12.4")
}

func TestKeyAndTLS(t *testing.T) {
	cert, roots := certificate(t)
	srv := server(t, qdranttest.Options{APIKey: "right", TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
	withTLS := func(key string) func(*Options) {
		return func(o *Options) { o.APIKey, o.TLS = key, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13} }
	}
	ready(t, open(t, srv, withTLS("right")))
	for _, key := range []string{"", "sk-wrong-key"} {
		err := open(t, srv, withTLS(key)).Ready(t.Context())
		helps(t, err, ErrUnauthorised, "memory.qdrant.api_key")
		if key != "" && strings.Contains(err.Error(), key) {
			t.Errorf("the key is in %q", err)
		}
	}
	plain := open(t, srv, func(o *Options) { o.APIKey, o.Timeout = "right", 2*time.Second })
	helps(t, plain.Ready(t.Context()), ErrUnreachable, "memory.qdrant.tls")
}

func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sheet := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, sheet, sheet, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	own, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(own)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

func TestCollection(t *testing.T) {
	e := qdranttest.NewMemory()
	srv, err := qdranttest.Start(e, qdranttest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	fits := open(t, srv, nil)
	for _, c := range []struct {
		change func(*pb.CreateCollection)
		hint   string
	}{
		{func(q *pb.CreateCollection) {}, ""},
		{func(q *pb.CreateCollection) { q.SparseVectorsConfig = nil }, `no sparse vector "words"`},
		{func(q *pb.CreateCollection) { q.VectorsConfig.GetParamsMap().Map["d8"].Size = 9 }, `vector "d8" has 9 dimensions`},
		{func(q *pb.CreateCollection) { q.VectorsConfig.GetParamsMap().Map["d8"].Distance = pb.Distance_Cosine }, `distance Cosine`},
		{func(q *pb.CreateCollection) { delete(q.VectorsConfig.GetParamsMap().Map, "d32") }, `no vector "d32"`},
		{func(q *pb.CreateCollection) {
			q.SparseVectorsConfig.Map["grams"] = &pb.SparseVectorParams{Modifier: pb.PtrOf(pb.Modifier_Idf)}
		}, "weighted over all tenants"},
	} {
		q := fits.schema()
		c.change(q)
		s := open(t, srv, nil)
		q.CollectionName = s.o.Collection
		if err := e.Create(q); err != nil {
			t.Fatal(err)
		}
		switch err := s.Ready(t.Context()); {
		case c.hint != "":
			helps(t, err, ErrSchema, c.hint)
		case err != nil:
			t.Error(err)
		}
	}
	wrong := open(t, srv, nil)
	if err := e.Create(wrong.schema()); err != nil {
		t.Fatal(err)
	}
	if err := e.Index(integer(fTenant).index(wrong.o.Collection)); err == nil {
		helps(t, wrong.Ready(t.Context()), ErrSchema, "its index of tenant")
	}
	if _, err := Open(Options{}); err == nil || !strings.Contains(err.Error(), "hint: ") {
		t.Error(err)
	}
}

// TestManyMakeIt lets several processes find the collection missing at the same time.
func TestManyMakeIt(t *testing.T) {
	srv := server(t, qdranttest.Options{})
	var all sync.WaitGroup
	for range 4 {
		s := open(t, srv, func(o *Options) { o.Collection = "one" })
		all.Go(func() {
			if err := s.Ready(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// TestTwoProcesses lets one forget what another learns at the same time.
func TestTwoProcesses(t *testing.T) {
	srv := server(t, qdranttest.Options{})
	same := func(o *Options) { o.Collection, o.Key = "shared", []byte("the same for both") }
	one, two := ready(t, open(t, srv, same)), ready(t, open(t, srv, same))
	for round := range 5 {
		text := strings.Repeat("swordfish ", round+1)
		r := episode(alice, text)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if err := one.Apply(t.Context(), add(episode(alice, text))); err != nil {
					t.Error(err)
				}
			})
		}
		all.Go(func() {
			got, err := two.Forget(t.Context(), store.Forget{Filter: store.Filter{Tenant: "acme"}, Texts: []string{text}})
			if err != nil || !got.Verified {
				t.Errorf("%+v %v", got, err)
			}
		})
		all.Wait()
		if got, err := two.Get(t.Context(), alice, []record.ID{r.ID}); err != nil || len(got) > 0 {
			t.Errorf("round %d: it stands: %v %v", round, got, err)
		}
	}
}

// TestCountsOfOneSpace says that what others have tells nobody anything: not in counts, not in scores.
func TestCountsOfOneSpace(t *testing.T) {
	srv := server(t, qdranttest.Options{})
	s := ready(t, open(t, srv, nil))
	now := time.Now()
	ask := func() []store.Hit {
		s.counts.init(time.Now) // forgotten
		hits, err := s.Search(t.Context(), alice, &store.Query{Text: "lighthouse keeper", Limit: 5, Now: now})
		if err != nil || len(hits) != 1 {
			t.Fatalf("%v %v", hits, err)
		}
		return hits
	}
	mine := episode(alice, "The lighthouse has a keeper.")
	if err := s.Apply(t.Context(), add(mine)); err != nil {
		t.Fatal(err)
	}
	before := ask()[0].Score
	for _, other := range []record.Scope{{Tenant: "acme", User: "bob"}, {Tenant: "acme", Session: "s1"}, {Tenant: "acme2", User: "alice"}} {
		if err := s.Apply(t.Context(), add(episode(other, "another lighthouse"), episode(other, "a keeper of bees"))); err != nil {
			t.Fatal(err)
		}
	}
	if after := ask()[0].Score; after != before {
		t.Errorf("what others said changes a score from %v to %v", before, after)
	}
	stats, df, err := s.statistics(t.Context(), alice.Space(), []string{"lighthous", "bee"})
	if err != nil || stats.Records != 1 || df["lighthous"] != 1 || df["bee"] != 0 {
		t.Errorf("%+v %v %v", stats, df, err)
	}
}
