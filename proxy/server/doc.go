// Package server is the front door: the agent's side of every exchange.
//
// fasthttp accepts, parses and bounds; this package writes. fasthttp would add, rename and reorder header lines, so what it
// writes is thrown away (agentConn.Write), and an Agent puts the answer on the socket itself, byte for byte.
//
// The rules that must hold: an Agent belongs to the goroutine that handles it, except Attach, Detach, Gone and the context
// methods; and an answer that was begun and not finished cuts the connection, so a truncation never looks like an end.
package server
