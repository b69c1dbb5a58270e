package wire

import "testing"

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		method, path string
		want         Route
	}{
		{"POST", "/v1/chat/completions", Route{Dialect: Chat, Op: Generate}},
		{"POST", "/chat/completions", Route{Dialect: Chat, Op: Generate}},
		{"POST", "/api/v1/chat/completions", Route{Dialect: Chat, Op: Generate}},
		{"POST", "/a/b/c/chat/completions", Route{Dialect: Chat, Op: Generate}},
		{"POST", "/openai/deployments/gpt-5/chat/completions", Route{Dialect: Chat, Op: Generate, Deployment: "gpt-5"}},
		{"POST", "/openai/deployments/My%20D/embeddings", Route{Dialect: Embeddings, Op: Embed, Deployment: "My D"}},
		{"POST", "/v1/engines/ada/completions", Route{Dialect: Completions, Op: Generate, Deployment: "ada"}},
		{"GET", "/v1/chat/completions", Route{Dialect: Chat}},
		{"GET", "/v1/chat/completions/cc_1", Route{Dialect: Chat, Op: Get, ID: "cc_1"}},
		{"DELETE", "/v1/chat/completions/cc_1", Route{Dialect: Chat, Op: Delete, ID: "cc_1"}},
		{"POST", "/v1/chat/completions/cc_1", Route{Dialect: Chat}},
		{"GET", "/v1/chat/completions/cc_1/messages", Route{Dialect: Chat, Op: InputItems, ID: "cc_1"}},
		{"POST", "/v1/completions", Route{Dialect: Completions, Op: Generate}},
		{"GET", "/v1/organization/usage/completions", Route{}},
		{"GET", "/v1/organization/usage/embeddings", Route{}},
		{"POST", "/v1/embeddings", Route{Dialect: Embeddings, Op: Embed}},
		{"POST", "/v1/responses", Route{Dialect: Responses, Op: Generate}},
		{"POST", "/backend-api/codex/responses", Route{Dialect: Responses, Op: Generate}},
		{"GET", "/v1/responses", Route{Dialect: Responses}},
		{"GET", "/v1/responses/resp_A1", Route{Dialect: Responses, Op: Get, ID: "resp_A1"}},
		{"GET", "/v1/responses/resp%5FA1", Route{Dialect: Responses, Op: Get, ID: "resp_A1"}},
		{"DELETE", "/v1/responses/resp_1", Route{Dialect: Responses, Op: Delete, ID: "resp_1"}},
		{"POST", "/v1/responses/resp_1/cancel", Route{Dialect: Responses, Op: Cancel, ID: "resp_1"}},
		{"GET", "/v1/responses/resp_1/input_items", Route{Dialect: Responses, Op: InputItems, ID: "resp_1"}},
		{"POST", "/v1/responses/input_tokens", Route{Dialect: Responses, Op: Count}},
		{"POST", "/v1/responses/compact", Route{Dialect: Responses, Op: Count}},
		{"POST", "/v1/messages", Route{Dialect: Messages, Op: Generate}},
		{"POST", "/messages", Route{Dialect: Messages, Op: Generate}},
		{"POST", "/anthropic/v1/messages", Route{Dialect: Messages, Op: Generate}},
		{"POST", "/anthropic/messages", Route{Dialect: Messages, Op: Generate}},
		{"POST", "/v1/messages/count_tokens", Route{Dialect: Messages, Op: Count}},
		{"POST", "/v1/messages/batches", Route{Dialect: Messages}},
		{"GET", "/v1/messages/batches/b_1/results", Route{Dialect: Messages}},
		{"POST", "/v1/threads/thread_1/messages", Route{}},
		{"POST", "/v1/threads/v1/messages", Route{}},
		{"GET", "/v1/threads/thread_1/messages/msg_1", Route{}},
		{"POST", "/threads/x/messages", Route{}},
		{"POST", "/v1/conversations/c/messages", Route{}},
		{"POST", "/users/x/mail/messages", Route{}},
		{"GET", "/v1/models", Route{Op: ListModels}},
		{"GET", "/v1/models/", Route{Op: ListModels}},
		{"GET", "/models", Route{Op: ListModels}},
		{"GET", "/v1/models/gpt-5", Route{Op: GetModel, ID: "gpt-5"}},
		{"GET", "/v1/models/meta-llama/Llama-3.1-8B", Route{Op: GetModel, ID: "meta-llama/Llama-3.1-8B"}},
		{"GET", "/v1/models/meta-llama%2FLlama", Route{Op: GetModel, ID: "meta-llama/Llama"}},
		{"GET", "/v1beta/openai/models", Route{Op: ListModels}},
		{"DELETE", "/v1/models/ft:1", Route{}},
		{"POST", "/v1beta/models/gemini:generateContent", Route{}},
		{"HEAD", "/", Route{}},
		{"GET", "", Route{}},
		{"POST", "/v1/files", Route{}},
		{"GET", "/v1/containers/c_1/files/f_1/content", Route{}},
		{"POST", "/v1/audio/transcriptions", Route{}},
		{"POST", "/v1/batches", Route{}},
		// spellings that an upstream may take for the same
		{"POST", "/v1/chat/completions/", Route{Dialect: Chat, Op: Generate}},
		{"POST", "//v1//chat//completions", Route{Dialect: Chat, Op: Generate}},
		{"POST", "/v1/chat/completion%73", Route{Dialect: Chat, Op: Generate}},
		{"POST", "/v1/chat%2Fcompletions", Route{Dialect: Chat, Op: Generate}},
		{"POST", "/v1/files/../chat/./completions", Route{Dialect: Chat, Op: Generate}},
		{"POST", "/V1/Chat/Completions", Route{Dialect: Chat, Op: Generate}},
		{"POST", "/%zz/v1/messages", Route{Dialect: Messages, Op: Generate}},
	} {
		if got := Match(c.method, c.path); got != c.want {
			t.Errorf("%s %s: %+v, want %+v", c.method, c.path, got, c.want)
		}
	}
	if n := testing.AllocsPerRun(100, func() {
		Match("POST", "/v1/chat/completions")
		Match("POST", "/v1/messages")
		Match("GET", "/v1/responses/resp_1")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("POST", "/v1/chat/completions")
	f.Add("GET", "/%2e%2E/models/a/b")
	f.Fuzz(func(t *testing.T, method, path string) {
		r := Match(method, path)
		if r.ID != "" && r.Op != Get && r.Op != Delete && r.Op != Cancel && r.Op != InputItems && r.Op != GetModel {
			t.Fatalf("%+v", r)
		}
	})
}
