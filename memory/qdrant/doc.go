// Package qdrant keeps memory in a collection of a Qdrant server, which several sidecars share.
//
// One collection holds records, notes and tombstones, told apart by the field "type". Tenants are told apart by the field "tenant",
// which is indexed as the tenant's (is_tenant). Every query carries the predicate of record.Scope.Sees in its filter, and what comes
// back is asked again. Nothing is counted over more than one space: sparse vectors hold how often terms occur (damped, as BM25 does),
// and what a term weighs is computed here, from counts by filter; the collection has no modifier "idf", which would count over all tenants.
//
// The calls were written for Qdrant 1.17 and its client 1.17.1: upserts with update_mode insert_only are not known to older ones.
// Used are Qdrant/HealthCheck; Collections/Get and Create; Points/CreateFieldIndex, UpdateBatch (upsert, set_payload, update_vectors,
// delete_points by filter; all with wait and ordering strong), QueryBatch (nearest, sparse and dense), Scroll (by ID, and order_by),
// Count and Facet (exact).
//
// Qdrant has no transactions. Writes are ordered so that a crash between two of them leaves nothing wrong:
//
//   - A new fact goes before the closing of the one that it takes the place of, and names it. Who reads both knows which holds, and
//     Facts also writes down the closing.
//   - Forget puts tombstones before it removes. A crash leaves something that is removed when it is asked again, and nothing that
//     comes back. Within a process it lets no Apply run beside it; one in another process looks for tombstones again after it wrote.
//
// What remains: a process that is killed between writing a record and that second look, while another forgets the very same, leaves
// the record, until it is forgotten again; of two that use a record at the same moment one is not counted; an Apply that fails
// midway has done a part, and is completed when it is tried again. Points that are deleted can be read from the disks of the server
// until it has rewritten their segments, and from its snapshots for as long as those are kept.
package qdrant
