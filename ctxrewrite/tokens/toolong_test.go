package tokens

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func openAI(code, message string) string {
	b, _ := json.Marshal(map[string]any{"error": map[string]any{"message": message, "type": "invalid_request_error", "param": "messages", "code": code}})
	return string(b)
}

func anthropic(kind, message string) string {
	return fmt.Sprintf(`{"type":"error","error":{"type":%q,"message":%q},"request_id":"req_1"}`, kind, message)
}

var refusedAsTooLong = []struct {
	name   string
	status int
	body   string
	want   TooLong
}{
	{"OpenAI, messages", 400, openAI("context_length_exceeded", "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens. Please reduce the length of the messages."), TooLong{8192, 9000}},
	{"OpenAI, with the answer", 400, openAI("context_length_exceeded", "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens (8000 in the messages, 1000 in the completion). Please reduce the length of the messages or completion."), TooLong{8192, 9000}},
	{"OpenAI, with functions", 400, openAI("context_length_exceeded", "This model's maximum context length is 16385 tokens. However, your messages resulted in 17000 tokens (16000 in the messages, 1000 in the functions)."), TooLong{16385, 17000}},
	{"OpenAI, responses", 400, openAI("context_length_exceeded", "Your input exceeds the context window of this model. Please adjust your input and try again."), TooLong{}},
	{"OpenAI, responses event", 400, `{"type":"response.failed","sequence_number":3,"response":{"id":"resp_1","status":"failed","error":{"code":"context_length_exceeded","message":"Your input exceeds the context window of this model."},"output":[]}}`, TooLong{}},
	{"OpenAI, error event's frame", 400, "event: error\ndata: {\"type\":\"error\",\"code\":\"context_length_exceeded\",\"message\":\"This model's maximum context length is 8192 tokens. However, you requested 9000 tokens.\"}\n\n", TooLong{8192, 9000}},
	{"Azure", 400, `{"error":{"message":"This model's maximum context length is 128000 tokens. However, your messages resulted in 130,245 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`, TooLong{128000, 130245}},
	{"Anthropic", 400, anthropic("invalid_request_error", "prompt is too long: 205000 tokens > 200000 maximum"), TooLong{200000, 205000}},
	{"Anthropic, with the answer", 400, anthropic("invalid_request_error", "input length and `max_tokens` exceed context limit: 198000 + 8192 > 200000, decrease input length or `max_tokens` and try again"), TooLong{200000, 206192}},
	{"Anthropic, 413", 413, anthropic("request_too_large", "prompt is too long: 1205000 tokens > 1000000 maximum"), TooLong{1000000, 1205000}},
	{"Anthropic, event", 400, "event: error\ndata: " + anthropic("invalid_request_error", "prompt is too long: 205000 tokens > 200000 maximum") + "\n\n", TooLong{200000, 205000}},
	{"Gemini", 400, `{"error":{"code":400,"message":"The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).","status":"INVALID_ARGUMENT"}}`, TooLong{1048575, 1196265}},
	{"Gemini, compatible", 400, `[{"error":{"code":400,"message":"The input token count (1196265) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}]`, TooLong{1048576, 1196265}},
	{"Gemini, window only", 400, `{"error":{"code":400,"message":"The input token count exceeds the maximum number of tokens allowed 1048576.","status":"INVALID_ARGUMENT"}}`, TooLong{1048576, 0}},
	{"Mistral", 400, `{"object":"error","message":"Prompt contains 140000 tokens and 0 draft tokens, too large for model with 131072 maximum context length","type":"invalid_request_prompt","param":null,"code":"3051"}`, TooLong{131072, 140000}},
	{"Mistral, 422", 422, `{"object":"error","message":{"detail":[{"type":"value_error","loc":["body"],"msg":"Prompt contains 40000 tokens, too large for model with 32768 maximum context length","input":{"messages":[]}}]},"type":"invalid_request_error"}`, TooLong{32768, 40000}},
	{"DeepSeek", 400, openAI("invalid_request_error", "This model's maximum context length is 131072 tokens. However, you requested 140000 tokens (136000 in the messages, 4000 in the completion). Please reduce the length of the messages or completion."), TooLong{131072, 140000}},
	{"llama.cpp", 400, `{"error":{"code":400,"message":"request (9412 tokens) exceeds the available context size (8192 tokens), try increasing it","type":"exceed_context_size_error","n_prompt_tokens":9412,"n_ctx":8192}}`, TooLong{8192, 9412}},
	{"llama.cpp, without figures in words", 500, `{"error":{"code":500,"message":"the request exceeds the available context size. try increasing the context size or enable context shift","type":"server_error"}}`, TooLong{}},
	{"llama.cpp, fields only", 400, `{"error":{"code":400,"message":"too big","type":"exceed_context_size_error","n_prompt_tokens":9412,"n_ctx":8192}}`, TooLong{8192, 9412}},
	{"vLLM", 400, `{"object":"error","message":"This model's maximum context length is 16384 tokens. However, you requested 122946 tokens (112946 in the messages, 10000 in the completion). Please reduce the length of the messages or completion. None","type":"BadRequestError","param":null,"code":400}`, TooLong{16384, 122946}},
	{"vLLM, max_tokens", 400, `{"error":{"message":"'max_tokens' or 'max_completion_tokens' is too large: 2000. This model's maximum context length is 4096 tokens and your request has 2104 input tokens (2000 > 4096 - 2104).","type":"BadRequestError","param":"max_tokens","code":400}}`, TooLong{4096, 4104}},
	{"vLLM, prompt", 400, `{"error":{"message":"The decoder prompt (length 9000) is longer than the maximum model length of 8192. Make sure that max_model_len is no smaller.","type":"BadRequestError","code":400}}`, TooLong{8192, 9000}},
	{"vLLM, passed", 400, `{"error":{"message":"You passed 9001 input tokens and requested 100 output tokens. However, the model's context length is only 8192 tokens, resulting in a maximum input length of 8092 tokens. Please reduce the length of the input prompt.","type":"BadRequestError","code":400}}`, TooLong{8192, 9101}},
	{"SGLang", 400, `{"object":"error","message":"Requested token count exceeds the model's maximum context length of 131072 tokens. You requested a total of 140000 tokens: 130000 tokens from the input messages and 10000 tokens for the completion.","type":"BadRequestError","code":400}`, TooLong{131072, 140000}},
	{"Groq", 400, openAI("context_length_exceeded", "Please reduce the length of the messages or completion."), TooLong{}},
	{"Groq, 413", 413, openAI("context_length_exceeded", "Please reduce the length of the messages or completion. Current length is 9000 while limit is 8192"), TooLong{}},
	{"Together", 422, `{"error":{"message":"The input (140000 tokens) is longer than the model's context length (131072 tokens).","type":"invalid_request_error","param":null,"code":null}}`, TooLong{131072, 140000}},
	{"Text Generation Inference", 422, "{\"error\":\"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens and 500 `max_new_tokens`\",\"error_type\":\"validation\"}", TooLong{4096, 4500}},
	{"OpenRouter", 400, `{"error":{"message":"This endpoint's maximum context length is 1048576 tokens. However, you requested about 1293741 tokens (1227853 of text input, 353 of tool input, 65535 in the output). Please reduce the length of either one.","code":400,"metadata":{"provider_name":null}}}`, TooLong{1048576, 1293741}},
	{"OpenRouter, provider's text", 400, `{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is too long: 205000 tokens > 200000 maximum\"}}","provider_name":"Anthropic"}}}`, TooLong{200000, 205000}},
	{"Bedrock", 400, `{"__type":"ValidationException","message":"Input is too long for requested model."}`, TooLong{}},
	{"Bedrock, Claude", 400, `{"message":"The model returned the following errors: prompt is too long: 205000 tokens > 200000 maximum"}`, TooLong{200000, 205000}},
	{"Bedrock, Nova", 400, `{"message":"Input Tokens Exceeded: Number of input tokens exceeds maximum length. Please update the input to try again."}`, TooLong{}},
	{"xAI", 400, `{"code":"Client specified an invalid argument","error":"This model's maximum prompt length is 131072 but the request contains 537812 tokens."}`, TooLong{131072, 537812}},
	{"Cohere", 400, `{"message":"too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292. Try using a shorter prompt."}`, TooLong{4081, 4292}},
	{"Kimi", 400, openAI("invalid_request_error", "Invalid request: Your request exceeded model token limit: 262144 (requested: 300000)"), TooLong{262144, 300000}},
	{"DashScope", 400, openAI("invalid_parameter_error", "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 129024]"), TooLong{129024, 0}},
	{"Copilot", 400, openAI("model_max_prompt_tokens_exceeded", "prompt token count of 130000 exceeds the limit of 128000"), TooLong{128000, 130000}},
	{"LM Studio", 400, `{"error":"Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens, which is not enough."}`, TooLong{4096, 0}},
	{"Ollama", 400, `{"error":"prompt too long; exceeded max context length by 5000 tokens"}`, TooLong{}},
	{"LiteLLM", 400, `{"error":{"message":"litellm.ContextWindowExceededError: litellm.BadRequestError: AnthropicError - {\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is too long: 205000 tokens > 200000 maximum\"}}","type":null,"param":null,"code":"400"}}`, TooLong{200000, 205000}},
	{"llama-cpp-python", 400, openAI("context_length_exceeded", "Requested tokens (9000) exceed context window of 8192"), TooLong{8192, 9000}},
	{"a gateway's detail", 400, `{"detail":"{\"error\":{\"code\":400,\"message\":\"request (9412 tokens) exceeds the available context size (8192 tokens), try increasing it\",\"type\":\"exceed_context_size_error\"}}"}`, TooLong{8192, 9412}},
	{"plain text", 400, "This model's maximum context length is 8,192 tokens. However, you requested 9,000 tokens.", TooLong{8192, 9000}},
	{"figures that cannot be", 400, openAI("context_length_exceeded", "This model's maximum context length is 99999999999999999999999 tokens. However, you requested 0 tokens."), TooLong{}},
}

var refusedOtherwise = []struct {
	name   string
	status int
	body   string
}{
	{"max_tokens, OpenAI", 400, openAI("invalid_value", "max_tokens is too large: 200000. This model supports at most 16384 completion tokens, whereas you provided 200000.")},
	{"max_tokens, Anthropic", 400, anthropic("invalid_request_error", "max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens for claude-sonnet-4-5")},
	{"max_tokens, DeepSeek", 400, openAI("invalid_request_error", "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]")},
	{"max_tokens, Bedrock", 400, `{"message":"The maximum tokens you requested exceeds the model limit of 4096. Try again with a maximum tokens value that is lower than 4096."}`},
	{"tokens per minute, Groq", 413, openAI("rate_limit_exceeded", "Request too large for model `llama-3.1-8b-instant` in organization `org_1` on tokens per minute (TPM): Limit 6000, Requested 7000, please reduce your message size and try again.")},
	{"tokens per minute, Azure", 400, openAI("400", "Your requests have exceeded the token rate limit of your current pricing tier.")},
	{"bytes, Anthropic", 413, anthropic("request_too_large", "Request exceeds the maximum size")},
	{"bytes, nginx", 413, "<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body><center><h1>413 Request Entity Too Large</h1></center></body></html>"},
	{"string", 400, openAI("string_above_max_length", "Invalid 'messages[1].content': string too long. Expected a string with maximum length 1048576, but got a string with length 2000000 instead.")},
	{"tools", 400, openAI("array_above_max_length", "Invalid 'tools': array too long. Expected an array with maximum length 128, but got an array with length 200 instead.")},
	{"tool pairs", 400, openAI("", "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'.")},
	{"roles", 400, anthropic("invalid_request_error", "messages: roles must alternate between \"user\" and \"assistant\"")},
	{"image", 400, anthropic("invalid_request_error", "messages.0.content.1.image.source.base64: image exceeds 5 MB maximum: 6000000 bytes > 5242880 bytes")},
	{"key", 400, openAI("invalid_api_key", "Incorrect API key provided.")},
	{"model", 400, openAI("model_not_found", "The model `gpt-9` does not exist")},
	{"filter", 400, openAI("content_filter", "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.")},
	{"server", 500, openAI("server_error", "The server had an error while processing your request.")},
	{"echo of the agent's words", 422, `{"detail":[{"type":"missing","loc":["body","model"],"msg":"Field required","input":{"messages":[{"role":"user","content":"why: maximum context length is 8192 tokens, context_length_exceeded"}]}}]}`},
	{"echo in an unknown field", 400, `{"error":{"message":"Unknown parameter","code":"unknown_parameter"},"request":{"message":"prompt is too long: 5 tokens > 4 maximum"}}`},
	{"status 200", 200, openAI("context_length_exceeded", "This model's maximum context length is 8192 tokens.")},
	{"status 429", 429, openAI("context_length_exceeded", "This model's maximum context length is 8192 tokens.")},
	{"status 404", 404, openAI("context_length_exceeded", "")},
	{"status 503", 503, "This model's maximum context length is 8192 tokens."},
	{"nothing", 400, ""},
	{"a document of nothing", 400, "{}"},
	{"cut", 400, `{"error":{"message":`},
}

func TestParseTooLong(t *testing.T) {
	for _, c := range refusedAsTooLong {
		got, ok := ParseTooLong(c.status, []byte(c.body))
		if !ok || got != c.want {
			t.Errorf("%s: %+v %v, want %+v", c.name, got, ok, c.want)
		}
	}
	for _, c := range refusedOtherwise {
		if got, ok := ParseTooLong(c.status, []byte(c.body)); ok {
			t.Errorf("%s: taken for too long: %+v", c.name, got)
		}
	}
	if _, ok := ParseTooLong(400, []byte(strings.Repeat("[", 1<<20))); ok {
		t.Error("brackets are taken for too long")
	}
	if _, ok := ParseTooLong(400, []byte("maximum context length is 8192"+strings.Repeat(" ", refusalBytes))); ok {
		t.Error("a body over the limit is read")
	}
}

func FuzzParseTooLong(f *testing.F) {
	for _, c := range refusedAsTooLong {
		f.Add(c.status, []byte(c.body))
	}
	for _, c := range refusedOtherwise {
		f.Add(c.status, []byte(c.body))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		got, ok := ParseTooLong(status, body)
		if !ok && got != (TooLong{}) {
			t.Fatalf("%+v beside not ok", got)
		}
		for _, n := range []int{got.Window, got.Requested} {
			if n < 0 || n >= 1e9 {
				t.Fatalf("%d tokens", n)
			}
		}
		if again, okAgain := ParseTooLong(status, body); again != got || okAgain != ok {
			t.Fatalf("%+v %v, then %+v %v", got, ok, again, okAgain)
		}
	})
}
