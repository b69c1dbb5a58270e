// Package top is the terminal view of what a running Trapgate has in flight: it asks the admin port's /debug/state twice a
// second while it is open, and draws.
//
// The one rule: what agents send is shown, never obeyed. Names and models come from requests, so control characters are
// taken out before anything reaches the terminal. Nothing here touches the terminal before Run.
package top
