package benchkit

import (
	"math"
	"math/rand/v2"
)

// The hog test: one tenant keeps many calls outstanding on few slots, and light tenants come with one call each. Times are in seconds.
const (
	HogSlots  = 8
	HogFor    = 60.0  // nobody asks afterwards
	HogFrom   = 10.0  // what came earlier does not count
	HogCalls  = 60    // outstanding
	HogLights = 20    // tenants
	HogThink  = 4.0   // a light tenant's mean pause, exponential
	HogFirst  = 6.0   // light tenants come first within this time
	HogSpeed  = 100.0 // tokens a second of service, so that orders that count tokens have some
)

// HogService draws how long a call of the hog test is served, in seconds.
func HogService(r *rand.Rand) float64 { return 0.5 + 2*r.Float64() }

// AIOS's experiment: how long agents with some calls each take on the hog test's slots.
const (
	AIOSAgents = 24
	AIOSCalls  = 4
	AIOSLeast  = 0.1 // seconds of service
	AIOSMost   = 3.0
)

// AIOSService draws how long a call is served, in seconds: lognormal, and cut.
func AIOSService(r *rand.Rand) float64 {
	return min(max(math.Exp(-0.4+0.75*r.NormFloat64()), AIOSLeast), AIOSMost)
}
