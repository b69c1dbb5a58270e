// Package config turns one YAML file, the environment and the command line into an immutable Snapshot, and keeps it current.
//
// The file is read strictly: unknown keys, wrong types and bad values are reported all at once, each as a Problem with its
// line and column. Load or Parse gives a Config (what the file says), Resolve a Snapshot (what holds), and a Watcher swaps
// snapshots when a file changes.
//
// The one rule: a Snapshot never changes after Resolve returned it. Whoever starts an exchange on a snapshot ends it on the
// same one; a bad file never replaces a good snapshot.
package config
