// Package upstream speaks to model APIs: one try at a time, classified. It owns the connections, their pools and their
// deadlines; it decides nothing about retries, except the one redial on a stale keep-alive that provably reached nobody.
//
// Requests are written and responses read as they are: header lines keep their order, case and bytes.
//
// The rule that must hold: a connection is closed by its owner only, the pool while it is idle and the Response while it is
// in use. Kill, called from anywhere, only shuts the socket down.
package upstream
