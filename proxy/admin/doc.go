// Package admin is the second port: health, metrics, and with a token what is in flight and profiles.
//
// The one rule: a web page or another user of the machine learns nothing here. /livez, /readyz and /metrics answer whoever
// asks; everything else wants a Host that is ours, no strange Origin, and the token of a file that only its owner can read.
// It answers GET and HEAD, and changes nothing. Only below SharePath, where the host has one, may who has the token take part in
// what this process holds.
package admin
