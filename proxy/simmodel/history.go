package simmodel

import (
	"net/http"
	"strings"
)

// checkHistory refuses what strict providers refuse: unknown roles, tool calls that are not answered in one block directly
// after them, and results that answer nothing.
func (q *request) checkHistory(h http.Header) *apiError {
	switch q.dialect {
	case chat:
		return q.checkChat()
	case responses:
		return q.checkResponses()
	case messages:
		return q.checkMessages(h)
	}
	return nil
}

func (q *request) checkChat() *apiError {
	if len(q.turns) == 0 {
		return badHistory("messages", "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	}
	var open map[string]bool
	missing := func() *apiError {
		if ids := openIDs(open); len(ids) > 0 {
			return badHistory("messages", "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: %s", strings.Join(ids, ", "))
		}
		return nil
	}
	for i := range q.turns {
		t := &q.turns[i]
		switch t.role {
		case "tool":
			id := t.results[0].id
			if waiting, known := open[id]; !known || !waiting {
				return badHistory("messages", "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls' (messages[%d], tool_call_id '%s').", i, id)
			}
			open[id] = false
			continue
		case "system", "developer", "user", "assistant", "function":
		default:
			return badHistory("messages", "Invalid value: '%s'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer' (messages[%d].role).", t.role, i)
		}
		if err := missing(); err != nil {
			return err
		}
		open = nil
		for _, c := range t.calls {
			if t.role != "assistant" {
				return badHistory("messages", "'tool_calls' is only allowed in messages with role 'assistant' (messages[%d]).", i)
			}
			if open[c.id] || c.id == "" {
				return badHistory("messages", "Invalid 'messages[%d].tool_calls': ids must be present and unique, got '%s'.", i, c.id)
			}
			if open == nil {
				open = map[string]bool{}
			}
			open[c.id] = true
		}
	}
	return missing()
}

func openIDs(open map[string]bool) []string {
	var ids []string
	for id, waiting := range open {
		if waiting {
			ids = append(ids, id)
		}
	}
	return ids
}

func (q *request) checkResponses() *apiError {
	open := map[string]bool{}
	for i := range q.turns {
		t := &q.turns[i]
		switch t.role {
		case "user":
			if ids := openIDs(open); len(ids) > 0 {
				return badHistory("input", "No tool output found for function call %s.", ids[0])
			}
		case "assistant", "system", "developer", "tool":
		default:
			return badHistory("input", "Invalid value: '%s'. Supported values are: 'assistant', 'system', 'developer', and 'user'.", t.role)
		}
		for _, c := range t.calls {
			if c.kind == "hosted" {
				continue
			}
			if _, known := open[c.id]; known || c.id == "" {
				return badHistory("input", "Duplicate item found with call_id %s.", c.id)
			}
			open[c.id] = true
		}
		for _, r := range t.results {
			waiting, known := open[r.id]
			if !known || !waiting {
				return badHistory("input", "No tool call found for function call output with call_id %s.", r.id)
			}
			open[r.id] = false
		}
	}
	if ids := openIDs(open); len(ids) > 0 {
		return badHistory("input", "No tool output found for function call %s.", ids[0])
	}
	return nil
}

func (q *request) checkMessages(h http.Header) *apiError {
	turns := q.turns
	if len(turns) > 0 && turns[0].role == "system" {
		turns = turns[1:]
	}
	var open []callRef
	for i := range turns {
		t := &turns[i]
		if t.role != "user" && t.role != "assistant" && (t.role != "system" || h.Get("anthropic-beta") == "") {
			return badHistory("", "messages.%d.role: Input should be 'user' or 'assistant'", i)
		}
		if i == 0 && t.role == "assistant" {
			return badHistory("", "messages: first message must use the \"user\" role")
		}
		answered := map[string]bool{}
		for j, r := range t.results {
			if !hasCall(open, r.id) || answered[r.id] || t.role != "user" {
				return badHistory("", "messages.%d.content.%d: unexpected `tool_use_id` found in `tool_result` blocks: %s. Each `tool_result` block must have a corresponding `tool_use` block in the previous message.", i, j, r.id)
			}
			answered[r.id] = true
		}
		for _, c := range open {
			if !answered[c.id] {
				return unanswered(i-1, c.id)
			}
		}
		open = t.calls
		if t.role != "assistant" && len(open) > 0 {
			return badHistory("", "messages.%d: `tool_use` blocks can only be in `assistant` messages", i)
		}
	}
	if len(open) > 0 {
		return unanswered(len(turns)-1, open[0].id)
	}
	return nil
}

func unanswered(i int, id string) *apiError {
	return badHistory("", "messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after: %s. Each `tool_use` block must have a corresponding `tool_result` block in the next message.", i, id)
}

func hasCall(calls []callRef, id string) bool {
	for _, c := range calls {
		if c.id == id {
			return true
		}
	}
	return false
}
