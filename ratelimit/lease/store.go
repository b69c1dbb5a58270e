package lease

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Store keeps who holds what of every resource. Memory is the twin in the process, Redis the one for several machines, Remote
// one that another process on this machine serves with ServeConn. A Store is safe for concurrent use.
type Store interface {
	// Exchange reports the state of resources and returns what is granted of each, in the order of the reports. It is atomic for
	// each resource, not over all. A report states everything again (absolute amounts, no differences), so a report that was
	// lost, or whose answer was lost, does no harm; one that arrives late is ignored by its Seq. The slices are not kept.
	Exchange(ctx context.Context, reports []Report) ([]Grant, error)
}

// ErrStore is what every failure of a store wraps.
var ErrStore = errors.New("lease: store")

// Kind is what a limit limits.
type Kind uint8

// The kinds of limit. Their values are part of what is stored.
const (
	Rate   Kind = 1 // units per time: tokens or requests per minute
	Budget Kind = 2 // units per window
	Slots  Kind = 3 // units at once
)

func (k Kind) String() string {
	switch k {
	case Rate:
		return "rate"
	case Budget:
		return "budget"
	case Slots:
		return "slots"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// A Demand is what one tenant would use if nothing stood in its way: during the next Delta (Rate, Budget) or at once (Slots). It
// counts what waits, what is expected to arrive, and for Slots what is in flight.
type Demand struct {
	Tenant string  `json:"t"`
	Weight float64 `json:"w"` // > 0; the largest that any sidecar reports counts
	Amount int64   `json:"n"` // units, >= 0
}

// A Report is what a holder says of one resource.
type Report struct {
	Key  string `json:"key"`
	Kind Kind   `json:"kind"`
	// Limit is in units: for each Per (Rate), for the life of Key (Budget), at once (Slots). The last report's counts.
	Limit    int64         `json:"limit"`
	Per      time.Duration `json:"per,omitempty"`   // Rate
	Depth    int64         `json:"depth,omitempty"` // Rate: units that may be spent at once
	Sidecars int           `json:"sidecars"`        // how many are expected; >= 1
	Delta    time.Duration `json:"delta"`           // the renewal interval
	TTL      time.Duration `json:"ttl"`             // how long a grant is good for
	Grace    time.Duration `json:"grace"`           // how long after that a vanished holder keeps its static share
	Life     time.Duration `json:"life"`            // after which a resource that nobody reports is forgotten; at least TTL + Grace

	Holder string `json:"holder"` // unique for each start of a sidecar
	// Sidecar is the same for each start of one; "" when nothing of it lasts.
	Sidecar string `json:"sidecar,omitempty"`
	Seq     uint64 `json:"seq"` // grows with every report of Holder for Key
	Gen     string `json:"gen"` // of the last grant, "" before the first

	Used  int64 `json:"used"`  // Budget: units used by Holder since it started with Key. Slots: in flight
	Held  int64 `json:"held"`  // units granted and not used, after this report returned what it returns. Slots: the valid share
	Ask   int64 `json:"ask"`   // Rate, Budget: units that would be welcome now
	Need  int64 `json:"need"`  // Rate, Budget: less than this is of no use (what waits at the head lacks this much); 0: anything is
	Back  int64 `json:"back"`  // Rate: units that this report gives back; no longer in Held
	Prior int64 `json:"prior"` // Budget: units used by Sidecar before Holder started with Key, as Sidecar has it written down
	Known int64 `json:"known"` // Budget: Total of the last grant
	Was   int64 `json:"was"`   // Budget: Used + Held as the last grant left them
	// Alone is what of a Budget the holder may use beyond Held if it does not hear the answer either; 0 when it heard the last.
	Alone int64 `json:"alone"`
	// Failed says that the last report was not answered: if nobody else was heard for a TTL either, the store was away.
	Failed bool `json:"failed"`

	Demands []Demand `json:"demands"`
	Leave   bool     `json:"leave"` // the holder ends: forget it (its Used stays)
}

// A Grant is a store's answer to a Report.
type Grant struct {
	Gen string `json:"gen"` // changes when the store has lost the resource
	// Amount is added to what is held (Rate, Budget), or is the share (Slots).
	Amount int64 `json:"n"`
	// Share is the holder's part of the limit by weighted max-min: units for each Per (Rate), for each Delta (Budget), at
	// once (Slots).
	Share float64 `json:"share"`
	// Tenants are the parts of Share in the order of the report's Demands.
	Tenants []float64 `json:"tenants,omitempty"`
	// Total is what is committed by all holders, used or held (Budget: of the life of Key).
	Total int64 `json:"total"`
	// Retry is when asking again is worth it if Amount was less than asked; 0: at the next renewal.
	Retry time.Duration `json:"retry,omitempty"`
}
