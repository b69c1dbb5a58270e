// Package sharedmemory is the memory of one data directory for all processes that use it: the holder has it in the state file, and
// answers guests with a Handler on the data directory's socket, where only those come in who show the admin token; a guest asks it
// with a Client, which is a store.Store like any other. Requests and answers are gob, which keeps every byte: names of users and
// sessions need be no UTF-8, and two that differ must not become one on the way.
//
// Changes of Forget go through the holder's engine, so that its queue and its caches forget too.
package sharedmemory
