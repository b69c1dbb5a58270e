package identity

import (
	"bytes"

	"github.com/tidwall/gjson"
)

// The words that are searched for begin with a byte that is rare in JSON, so that the search does not stop at every quote.
var (
	callWord   = []byte(`_call`)    // in every chunk with a part of a tool call: tool_calls or function_call
	reasonWord = []byte(`_reason"`) // finish_reason
	errorStart = []byte(`{"error"`)
)

func (w *watch) chat(data []byte) bool {
	if data[0] == '[' { // [DONE]
		w.finish()
		return true
	}
	if len(data) > len(errorStart) && data[1] == '"' && data[2] == 'e' && bytes.HasPrefix(data, errorStart) {
		w.broken = true
		return true
	}
	if !w.calls {
		return false
	}
	if at := bytes.Index(data, callWord); at >= 0 {
		w.chatDelta(data, at)
	}
	if len(w.pending) == 0 || !ends(data) {
		return false
	}
	w.finish()
	return true
}

// ends reports whether a chunk gives a reason for the end. A word with its quote cannot stand inside of a JSON string.
func ends(data []byte) bool {
	for {
		at := bytes.Index(data, reasonWord)
		if at < 0 {
			return false
		}
		data = afterColon(data[at+len(reasonWord):])
		if len(data) > 0 && data[0] == '"' {
			return true
		}
	}
}

// afterColon cuts the colon and the white space between a key and its value.
func afterColon(data []byte) []byte {
	for len(data) > 0 && (data[0] == ':' || data[0] == ' ') {
		data = data[1:]
	}
	return data
}

// chatDelta takes the parts of calls from a chunk with a call word at that offset. Most chunks have one choice with one part
// in it, and one comes for every token: those are read from the list of calls on, not from the beginning.
func (w *watch) chatDelta(data []byte, at int) {
	list := callList(data, at)
	if list == nil || moreCalls(list) {
		gjson.GetBytes(data, "choices").ForEach(func(_, choice gjson.Result) bool {
			w.chatCalls(int(choice.Get("index").Int()), choice.Get("delta"))
			return true
		})
		return
	}
	choice := int(gjson.GetBytes(data, "choices.0.index").Int())
	gjson.ParseBytes(list).ForEach(func(_, c gjson.Result) bool {
		w.chatCall(choice, c)
		return true
	})
}

// callList returns what stands from the list of tool calls on, nil when the call word at that offset is not its key.
func callList(data []byte, at int) []byte {
	const key = `"tool_calls"`
	from := at - len(`"tool`)
	if from < 0 || len(data) < from+len(key) || string(data[from:from+len(key)]) != key {
		return nil
	}
	list := afterColon(data[from+len(key):])
	if len(list) == 0 || list[0] != '[' {
		return nil
	}
	return list
}

// moreCalls reports whether another list of calls follows: of a second choice.
func moreCalls(list []byte) bool {
	for {
		at := bytes.Index(list, callWord)
		if at < 0 {
			return false
		}
		if callList(list, at) != nil {
			return true
		}
		list = list[at+len(callWord):]
	}
}

// chatCalls takes the calls of a delta or a whole message.
func (w *watch) chatCalls(choice int, delta gjson.Result) {
	delta.Get("tool_calls").ForEach(func(_, c gjson.Result) bool {
		w.chatCall(choice, c)
		return true
	})
	if f := delta.Get("function_call"); f.IsObject() {
		w.part(choice<<16|0xffff, "", f.Get("arguments").Str)
	}
}

// chatCall takes one call or a part of it. A part without index belongs to the call that came last; one with an id of its
// own begins another.
func (w *watch) chatCall(choice int, c gjson.Result) {
	index, given := len(w.pending)-1, false
	var id, args string
	c.ForEach(func(key, v gjson.Result) bool {
		switch key.Str {
		case "index":
			index, given = int(v.Int()), true
		case "id":
			id = v.Str
		case "function":
			args = v.Get("arguments").Str
		case "custom":
			args = v.Get("input").Str
		}
		return true
	})
	if !given && id != "" {
		index++
	}
	w.part(choice<<16|index, id, args)
}
