package main

import (
	"time"

	"github.com/trapgate/trapgate/memory"
	"github.com/trapgate/trapgate/memory/record"
	"github.com/trapgate/trapgate/memory/store"
)

// The answers' parts. An Entry has the names of an export.
type (
	memoryRecord struct {
		Tenant string `json:"tenant"`
		memory.Entry
	}
	memoryLeg struct {
		Name  string  `json:"name"`
		Value float32 `json:"value"` // what it measured
		Share float32 `json:"share"` // what it added to the score
	}
	memoryHit struct {
		Record memoryRecord `json:"record"`
		Score  float32      `json:"score"`
		Legs   []memoryLeg  `json:"legs"`
	}
	memoryPage struct {
		Records []memoryRecord `json:"records"`
		Next    string         `json:"next,omitempty"` // is what after= takes for the page behind
	}
	memoryShown struct {
		Record memoryRecord    `json:"record"`
		Told   []memoryTelling `json:"told"`
	}
	memoryTelling struct {
		At      time.Time   `json:"at"`
		Session string      `json:"session"`
		Score   float32     `json:"score"`
		Legs    []memoryLeg `json:"legs"`
	}
	memoryReceipt struct {
		Records    int         `json:"records"` // facts included
		Facts      int         `json:"facts"`
		Notes      int         `json:"notes"`
		Vectors    int         `json:"vectors"`
		Tombstones int         `json:"tombstones"`
		Sessions   int         `json:"sessions"` // in which it was said or told
		Verified   bool        `json:"verified"` // a search for each of them found nothing
		IDs        []record.ID `json:"ids"`
	}
	memoryWhat struct {
		IDs   []record.ID `json:"ids"`
		Texts []string    `json:"texts"`
		Query string      `json:"query"`
		All   bool        `json:"all"`
	}
	memoryStats struct {
		Episodes   int   `json:"episodes"`
		Facts      int   `json:"facts"`
		Closed     int   `json:"closed"`
		Notes      int   `json:"notes"`
		Tombstones int   `json:"tombstones"`
		Vectors    int   `json:"vectors"`
		Spaces     int   `json:"spaces"`
		Tenants    int   `json:"tenants"`
		Bytes      int64 `json:"bytes"`
		Loaded     int   `json:"loaded"`
		IndexBytes int64 `json:"index_bytes"`
	}
)

func recordOf(r *record.Record) memoryRecord { return memoryRecord{r.Scope.Tenant, memory.EntryOf(r)} }

func recordsOf(list []*record.Record) []memoryRecord {
	all := make([]memoryRecord, len(list))
	for i, r := range list {
		all[i] = recordOf(r)
	}
	return all
}

func legsOf(legs []store.Leg) []memoryLeg {
	all := make([]memoryLeg, len(legs))
	for i, l := range legs {
		all[i] = memoryLeg(l)
	}
	return all
}
