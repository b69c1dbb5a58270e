// Package lease shares one limit between several sidecars. A sidecar takes a block of the limit from a Store, spends it locally
// with no network on the path, reports what it used and what its tenants still want, and gives back what is left.
//
// The rule that must hold: what a store has given away and what it was told is spent never exceed the limit, and a sidecar whose
// lease has run out uses at most its static share, which is the limit divided by the expected number of sidecars.
//
// Three kinds of limit are shared. A Rate (requests or tokens per minute) is a token bucket whose leased tokens still count
// as inside it, so that in any time T all sidecars together spend at most rate x T + the depth of the bucket. A Budget (an
// amount per window) is committed block by block: used by all + held by all <= limit. Windows are the sidecar's clock's. Slots (calls at once) are shares
// whose sum is at most the limit.
//
// Blocks and shares follow weighted max-min over the tenants' demands, whichever sidecars these tenants call through: the
// tenant is what is treated fairly, not the sidecar. A grant says what part of the sidecar's share is for which tenant, and
// a local scheduler that uses these parts as weights gives every tenant what one scheduler for all would give it.
//
// # When the store is away
//
// A renewal that fails leaves the lease valid until its TTL, counted from the moment the request for it was sent. From the
// first failure a rate is refilled locally at the smaller of the last share and the static share, and after the TTL at the
// static share. A budget may be spent up to the static share of the window and up to the same part of what was left at the
// last contact. Slots become the static share, in whole slots: with more sidecars than slots nobody has one then.
//
// A store that comes back empty has forgotten the holders, and each of them tells it what it holds, what it used, and what
// all had committed when it last heard of it. Until one TTL has passed nobody gets more than it already had or its static
// share. Of a budget nobody gets more than it might have spent without the store, until as many holders as are expected have
// been heard, or a Grace has passed: a lease that rests is silent for half of that. What can be spent twice is therefore
// bounded: a rate by one depth of the bucket; a budget by what was granted to others after a sidecar's last renewal, which
// is an interval at most while it is in use; slots by what leases that have just run out and leases that have not have in
// flight at the same time. A sidecar that starts again tells what it has written down (Options.Sidecar, Resource.Used).
//
// For a holder that vanished without a word a store keeps its static share for another Grace, because it may be alive on the
// other side of a cut network; then it is forgotten. One that gave everything back is not waited for.
//
// Do not use this package within one process: an atomic counter is enough there.
package lease
