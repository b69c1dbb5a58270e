package main

import (
	"strings"
	"testing"
)

// An Upgrade line does not lead past the check of who made an id.
func TestUpgradeLineKeepsIDsBound(t *testing.T) {
	up := newFake(t, raw(sized("200 OK", "Content-Type: application/json\r\n", "{}")))
	g := open(t, "auth: {keys: [{name: a, key: {env: KEY_A}}]}\nupstreams: [{name: u, base_url: \""+up.url()+"/v1\", api_key: {env: OURS}}]\n",
		with(map[string]string{"KEY_A": "key-a", "OURS": "ours"}))
	m := g.do(t, get("/v1/responses/resp_of_another", "Authorization: Bearer key-a", "Connection: Upgrade", "Upgrade: websocket"))
	if !strings.Contains(m.Body, "unknown_id") || up.requests() != 0 {
		t.Errorf("%s, %d requests went upstream", m.Body, up.requests())
	}
}

// The agent's own credential is shown to one upstream, also for a list that several could give.
func TestModelListShowsTheCredentialOnce(t *testing.T) {
	list := raw(sized("200 OK", "Content-Type: application/json\r\n", `{"object":"list","data":[]}`))
	chat, responses := newFake(t, list), newFake(t, list)
	g := open(t, "upstreams:\n  - {name: r, base_url: \""+responses.url()+"/v1\", dialects: [responses]}\n  - {name: c, base_url: \""+chat.url()+"/v1\", dialects: [chat]}\n")
	g.do(t, get("/v1/models", "Authorization: Bearer mine"))
	if chat.requests() != 1 || responses.requests() != 0 {
		t.Errorf("chat was asked %d times, responses %d times", chat.requests(), responses.requests())
	}
}
