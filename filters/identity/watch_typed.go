package identity

import (
	"bytes"

	"github.com/tidwall/gjson"

	"github.com/trapgate/trapgate/filters"
)

var (
	itemDone    = []byte("response.output_item.done")
	respCreated = []byte("response.created")
	respFailed  = []byte("response.failed")
	errorName   = []byte("error")
)

func (w *watch) responses(e *filters.Event) bool {
	switch name := eventType(e); {
	case bytes.Equal(name, itemDone):
		if !w.calls {
			return false
		}
		w.item(gjson.GetBytes(e.Data, "item"))
		return true
	case bytes.Equal(name, respCreated):
		w.response = gjson.GetBytes(e.Data, "response.id").String()
		return true
	case bytes.Equal(name, respFailed), bytes.Equal(name, errorName):
		w.broken = true
		return true
	}
	return false
}

// item takes a call from an output item of a response: functions have arguments, custom tools input, shells an action.
func (w *watch) item(item gjson.Result) {
	if kind := item.Get("type").Str; len(kind) < 5 || kind[len(kind)-5:] != "_call" {
		return
	}
	id := item.Get("call_id").Str
	if id == "" {
		id = item.Get("id").Str
	}
	for _, key := range [...]string{"arguments", "input", "action"} {
		if args := item.Get(key); args.Exists() {
			w.whole(id, args)
			return
		}
	}
	w.whole(id, gjson.Result{})
}

var (
	blockStart = []byte("content_block_start")
	blockDelta = []byte("content_block_delta")
	blockStop  = []byte("content_block_stop")
	jsonDelta  = []byte("input_json_delta")
	toolUse    = []byte("tool_use")
)

func (w *watch) messages(e *filters.Event) bool {
	switch name := eventType(e); {
	case bytes.Equal(name, blockDelta):
		if w.calls && bytes.Contains(e.Data, jsonDelta) {
			r := gjson.GetManyBytes(e.Data, "index", "delta.type", "delta.partial_json")
			if r[1].Str == string(jsonDelta) {
				w.part(int(r[0].Int()), "", r[2].Str)
			}
		}
	case bytes.Equal(name, blockStart):
		if w.calls && bytes.Contains(e.Data, toolUse) {
			r := gjson.GetManyBytes(e.Data, "index", "content_block.type", "content_block.id")
			if r[1].Str == string(toolUse) {
				w.part(int(r[0].Int()), r[2].Str, "")
			}
		}
	case bytes.Equal(name, blockStop):
		w.finish()
		return len(w.done) > 0
	case bytes.Equal(name, errorName):
		w.broken = true
		return true
	}
	return false
}

// eventType is the SSE event field, else what the type member says when the data begins with it.
func eventType(e *filters.Event) []byte {
	if len(e.Name) > 0 {
		return e.Name
	}
	rest, ok := bytes.CutPrefix(e.Data, []byte(`{"type":`))
	if !ok {
		return nil
	}
	rest = bytes.TrimLeft(rest, ` "`)
	if end := bytes.IndexByte(rest, '"'); end >= 0 {
		return rest[:end]
	}
	return nil
}
