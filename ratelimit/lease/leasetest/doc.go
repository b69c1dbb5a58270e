// Package leasetest holds the tests that every store of package lease must pass, and drives it with a clock that does not run
// by itself. What passes here shares limits alike, to the unit: each store is also compared with lease.Memory step by step.
package leasetest
