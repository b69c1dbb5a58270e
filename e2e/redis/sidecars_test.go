//go:build e2e

package redis

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/trapgate/trapgate/e2e/engine/rig"
	"github.com/trapgate/trapgate/ratelimit/lease"
	"github.com/trapgate/trapgate/ratelimit/lease/leasetest"
)

// Everything is five times as fast as with the defaults: a minute of a limit is 12 s, a renewal 200 ms, a lease good for 1 s.
const (
	perSecond  = 1000
	minute     = 12 * time.Second
	rateLimit  = perSecond * 12
	budget     = 45_000
	delta      = 200 * time.Millisecond
	half       = 9 * time.Second
	frozen     = 18 * time.Second // for two renewals
	killed     = 20 * time.Second
	restarted  = 24 * time.Second // empty
	end        = 34 * time.Second
	settled    = 2 * time.Second
	roleEnv    = "TRAPGATE_E2E_SIDECAR"
	meanTokens = 20
)

// An answer is what a sidecar's process says at its end.
type answer struct {
	Rate, Budget leasetest.Log
	Counters     [2]lease.Counters
}

// TestSidecars runs four sidecars in processes of their own over one Redis that is frozen, killed and started again, empty.
func TestSidecars(t *testing.T) {
	s := start(t)
	began := time.Now().Add(2 * time.Second)
	answers := make([]answer, 4)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			cmd := exec.Command(os.Args[0], "-test.run=^$")
			cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d %s", roleEnv, i, began.UnixNano(), s.URL()))
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			if err == nil {
				err = json.Unmarshal(out, &answers[i])
			}
			if err != nil {
				t.Errorf("sidecar %d: %v", i, err)
			}
		})
	}
	for _, step := range []struct {
		at time.Duration
		do func() error
	}{{frozen, s.Freeze}, {frozen + 2*delta, s.Thaw}, {killed, s.Kill}, {restarted, s.Restart}} {
		time.Sleep(time.Until(began.Add(step.at)))
		if err := step.do(); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	if !t.Failed() {
		judge(t, answers)
	}
}

func judge(t *testing.T, answers []answer) {
	var rates []leasetest.Log
	var used, spent int64
	for i, a := range answers {
		rates = append(rates, a.Rate)
		used += leasetest.Sum(a.Rate.Spends, settled, frozen)
		spent += leasetest.Sum(a.Budget.Spends, 0, end)
		t.Logf("sidecar %d: rate %+v; budget %+v", i, a.Counters[0], a.Counters[1])
		alone := leasetest.Sum(a.Rate.Spends, killed+delta*6, restarted)
		static := perSecond / 4 * (restarted - killed - delta*6).Seconds()
		if float64(alone) > static+rateLimit/100+1.8*meanTokens || float64(alone) < .9*static {
			t.Errorf("sidecar %d spent %d while Redis was gone, its static share is %.0f", i, alone, static)
		}
		for _, c := range a.Counters {
			if c.Renewals == 0 || c.Failures == 0 || c.Fallback == 0 {
				t.Errorf("sidecar %d: the outage left no trace: %+v", i, c)
			}
		}
	}
	over := float64(leasetest.Worst(rates, minute, 0, end)) / rateLimit
	stranded := 1 - float64(used)/(perSecond*(frozen-settled).Seconds())
	loads := leasetest.Four(perSecond, half)
	distance := max(
		leasetest.Distance(loads, rates, perSecond, settled, half),
		leasetest.Distance(loads, rates, perSecond, half+settled, frozen),
		leasetest.Distance(loads, rates, perSecond, restarted+settled, end))
	t.Logf("rate: worst minute %.3f of the limit (at most 1.05), stranded %.3f (0.05), distance from max-min %.3f (0.10)",
		over, stranded, distance)
	t.Logf("budget: spent %.4f (0.95 to 1.05)", float64(spent)/budget)
	if over > 1.05 || stranded > .05 || distance > .10 {
		t.Error("a figure of the rate is not met")
	}
	if spent > budget*105/100 || spent < budget*95/100 {
		t.Error("a figure of the budget is not met")
	}
}

// sidecar is the process of one sidecar.
func sidecar(role string) error {
	var place int
	var nanos int64
	var url string
	if _, err := fmt.Sscan(role, &place, &nanos, &url); err != nil {
		return err
	}
	began := time.Unix(0, nanos)
	store, err := lease.OpenRedis(url, delta/2, lease.RedisOptions{})
	if err != nil {
		return err
	}
	defer store.Close()
	ctx, cancel := context.WithDeadline(context.Background(), began.Add(end))
	defer cancel()
	c := lease.New(store, lease.Options{Holder: "sidecar " + strconv.Itoa(place), Delta: delta})
	loads := [][]leasetest.Load{leasetest.Four(perSecond, half)[place], leasetest.Four(perSecond*.6, half)[place]}
	sidecars := make([]*leasetest.Sidecar, 2)
	var wg sync.WaitGroup
	window := func(time.Time) (string, time.Time) { return "w", began.Add(time.Hour) }
	for i, r := range []lease.Resource{
		{Key: "tokens", Kind: lease.Rate, Limit: rateLimit, Per: minute, Sidecars: 4},
		{Key: "money", Kind: lease.Budget, Limit: budget, Sidecars: 4, Window: window},
	} {
		if sidecars[i], err = leasetest.NewSidecar(c, r, delta, began, uint64(place), loads[i]); err != nil {
			return err
		}
		wg.Go(func() { sidecars[i].Run(ctx, meanTokens) })
	}
	wg.Go(func() { _ = c.Run(ctx) })
	wg.Wait()
	a := answer{
		Rate:   leasetest.Log{Spends: sidecars[0].Spends(), Arrivals: sidecars[0].Arrivals()},
		Budget: leasetest.Log{Spends: sidecars[1].Spends()},
	}
	for i, s := range sidecars {
		a.Counters[i] = s.Lease.Counters()
	}
	return json.NewEncoder(os.Stdout).Encode(a)
}

func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		if err := sidecar(role); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	rig.Report(os.Stderr)
	os.Exit(code)
}
