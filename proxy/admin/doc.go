// Package admin is the second port: health, metrics, and with a token what is in flight and profiles.
//
// The one rule: a web page or another user of the machine learns nothing here. /livez, /readyz and /metrics answer whoever
// asks; everything else wants a Host that is ours, no strange Origin, and the token of a file that only its owner can read.
// Nothing here changes anything: it answers GET and HEAD.
package admin
