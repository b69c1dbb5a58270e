package filtertest

import (
	"fmt"
	"strings"

	"github.com/trapgate/trapgate/internal/wire"
)

// dialects are those whose exchanges pass both rings.
var dialects = []wire.Dialect{wire.Chat, wire.Responses, wire.Messages}

// path is where a request of the dialect goes.
func path(d wire.Dialect) string {
	switch d {
	case wire.Responses:
		return "/v1/responses"
	case wire.Messages:
		return "/v1/messages"
	}
	return "/v1/chat/completions"
}

// request is a small valid request body.
func request(d wire.Dialect, stream bool) []byte {
	history := `"messages":[{"role":"user","content":"hi"}]`
	if d == wire.Responses {
		history = `"input":[{"role":"user","content":"hi"}]`
	}
	if d == wire.Messages {
		history += `,"max_tokens":100`
	}
	return fmt.Appendf(nil, `{"model":"test-model",%s,"stream":%t}`, history, stream)
}

// sample is a whole answer in which the model says the words, one event for each between the opening and closing ones.
func sample(d wire.Dialect, stream bool, words ...string) Answer {
	if !stream {
		return Answer{Body: unary(d, strings.Join(words, ""))}
	}
	return Answer{Stream: true, Body: []byte(strings.Join(frames(d, words...), ""))}
}

// opening is how many frames come before the first word.
func opening(d wire.Dialect) int { return len(frames(d)) - closing(d) }

// closing is how many frames come after the last word.
func closing(d wire.Dialect) int {
	if d == wire.Messages {
		return 3
	}
	return 2
}

// frames are the events of a streamed answer.
func frames(d wire.Dialect, words ...string) []string {
	var f []string
	add := func(format string, args ...any) { f = append(f, fmt.Sprintf(format, args...)+"\n\n") }
	switch d {
	case wire.Responses:
		add("event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\"status\":\"in_progress\"}}")
		for _, w := range words {
			add("event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"output_index\":0,\"delta\":%q}", w)
		}
		add("event: response.output_text.done\ndata: {\"type\":\"response.output_text.done\",\"output_index\":0,\"text\":%q}", strings.Join(words, ""))
		add("event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":%s}", unary(d, strings.Join(words, "")))
	case wire.Messages:
		add("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[]}}")
		add("event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}")
		for _, w := range words {
			add("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":%q}}", w)
		}
		add("event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}")
		add("event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":%d}}", len(words))
		add("event: message_stop\ndata: {\"type\":\"message_stop\"}")
	default:
		chunk := func(delta, finish string) {
			add(`data: {"id":"c1","object":"chat.completion.chunk","choices":[{"index":0,"delta":%s,"finish_reason":%s}]}`, delta, finish)
		}
		chunk(`{"role":"assistant","content":""}`, "null")
		for _, w := range words {
			chunk(fmt.Sprintf(`{"content":%q}`, w), "null")
		}
		chunk(`{}`, `"stop"`)
		add("data: [DONE]")
	}
	return f
}

// unary is an answer that is not streamed.
func unary(d wire.Dialect, text string) []byte {
	switch d {
	case wire.Responses:
		return fmt.Appendf(nil, `{"id":"resp_1","object":"response","status":"completed","output":[{"type":"message","id":"m","role":"assistant",`+
			`"content":[{"type":"output_text","text":%q}]}],"usage":{"input_tokens":9,"output_tokens":3,"total_tokens":12}}`, text)
	case wire.Messages:
		return fmt.Appendf(nil, `{"id":"msg_1","type":"message","role":"assistant","content":[{"type":"text","text":%q}],`+
			`"stop_reason":"end_turn","usage":{"input_tokens":9,"output_tokens":3}}`, text)
	}
	return fmt.Appendf(nil, `{"id":"c1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":%q},`+
		`"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}`, text)
}

// failure is an error answer of an upstream.
func failure(d wire.Dialect, status int) Answer {
	body := fmt.Sprintf(`{"error":{"message":"upstream says %d","type":"server_error","param":null,"code":null}}`, status)
	if d == wire.Messages {
		body = fmt.Sprintf(`{"type":"error","error":{"type":"api_error","message":"upstream says %d"}}`, status)
	}
	return Answer{Status: status, Body: []byte(body), Fields: [][2]string{{"x-request-id", "req_1"}}}
}

// refused is a stream that ends in an error event, which stands for 400. Before it come the frames that every stream of the dialect
// may begin with, a comment among them, and what the model has said till then.
func refused(d wire.Dialect, words ...string) Answer {
	all := frames(d, words...)
	all = append([]string{": hold on\n\n"}, all[:len(all)-closing(d)]...)
	if d == wire.Messages && len(words) == 0 {
		all = append(all[:2], "event: ping\ndata: {\"type\": \"ping\"}\n\n") // without the block's start
	}
	problem := `{"message":"the prompt is too long","type":"invalid_request_error","param":null,"code":"context_length_exceeded"}`
	switch d {
	case wire.Responses:
		all = append(all, `event: response.failed`+"\n"+`data: {"type":"response.failed","response":{"id":"resp_1","status":"failed","error":`+problem+"}}\n\n")
	case wire.Messages:
		all = append(all, "event: error\n"+`data: {"type":"error","error":{"type":"invalid_request_error","message":"the prompt is too long"}}`+"\n\n")
	default:
		all = append(all, `data: {"error":`+problem+"}\n\n", "data: [DONE]\n\n")
	}
	return Answer{Stream: true, Body: []byte(strings.Join(all, ""))}
}

// terminal reports whether an event is the dialect's last.
func terminal(d wire.Dialect, name, data []byte) bool {
	switch d {
	case wire.Responses:
		switch string(name) {
		case "response.completed", "response.incomplete", "response.failed", "error":
			return true
		}
		return false
	case wire.Messages:
		return string(name) == "message_stop" || string(name) == "error"
	}
	return string(data) == "[DONE]"
}
