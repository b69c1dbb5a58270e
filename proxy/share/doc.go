// Package share lets several Trapgates spend from one purse: the limits of pools, hard budgets, and the ledger of what was used.
//
// There are two ways, and they go together. Sidecars on several machines share through a Redis (Options.Redis). Processes that
// use one data directory share through its holder: the first of them, which has the directory's lock, keeps the state file and
// listens on DATA/admin.sock; the others are guests. A guest keeps nothing on disk. It leases from the holder what it may spend,
// and sends what it has used until the holder, or the one after it, has written it down. When the holder ends, whoever gets
// the lock first is the next.
//
// The rules that must hold: what all spend together stays within the limits whoever dies; what a guest has used is written
// exactly once; and a process that nobody shares with takes no lease and asks nobody.
//
// The means are package lease, which divides limits, and package state, which has the lock and the file. This package adds no
// algorithm of its own. Not for: what is shared besides spending (sessions, memory).
package share
