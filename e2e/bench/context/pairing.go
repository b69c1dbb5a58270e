package main

import "slices"

// The faults for which providers refuse a history.
const (
	orphanTool     = "tool result without its call"
	unansweredCall = "tool call without its result"
	lateSystem     = "system message that is not the first"
	firstNotUser   = "first turn not the user's"
	emptyMessage   = "empty message"
	lastNotAsking  = "last message neither user's nor tool's"
)

// faultsOf counts the faults of a history. A tool result has to follow its call with nothing but other results of the same group between.
func faultsOf(messages []*text) map[string]int {
	faults := map[string]int{}
	var owed []string // calls of the last group that wait for their result
	turns := 0
	for i, m := range messages {
		if m.role == "tool" {
			if at := slices.Index(owed, m.answers); at >= 0 {
				owed = slices.Delete(slices.Clone(owed), at, at+1)
			} else {
				faults[orphanTool]++
			}
		} else {
			faults[unansweredCall] += len(owed)
			owed = m.calls
		}
		if m.role == "system" || m.role == "developer" {
			if i > 0 {
				faults[lateSystem]++
			}
		} else if turns++; turns == 1 && m.role != "user" {
			faults[firstNotUser]++
		}
		if m.empty {
			faults[emptyMessage]++
		}
	}
	faults[unansweredCall] += len(owed)
	if n := len(messages); n == 0 || messages[n-1].role != "user" && messages[n-1].role != "tool" {
		faults[lastNotAsking]++
	}
	return faults
}

// introduced is the faults of a history that the agent's own does not have.
func introduced(ours, agents map[string]int) map[string]int {
	more := map[string]int{}
	for kind, n := range ours {
		if n > agents[kind] {
			more[kind] = n - agents[kind]
		}
	}
	return more
}
