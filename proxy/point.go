package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
)

// point makes a command call base: by the environment variables of the SDKs, and for known commands by what each of them
// needs. No file of the user's is touched. ownKeys says that the agent's credential is not used, so that a placeholder
// stands in where an SDK would refuse to start without one.
func point(command, env []string, base string, ownKeys bool) (args, environ []string) {
	e := environment(env)
	root := strings.TrimSuffix(base, "/v1")
	for _, name := range [...]string{"OPENAI_BASE_URL", "OPENAI_API_BASE"} {
		e.set(name, base)
	}
	e.set("ANTHROPIC_BASE_URL", root) // its SDKs add /v1 themselves
	e.set("ANTHROPIC_API_BASE", root)
	e.set("OPENAI_HOST", root) // goose
	e.bypassProxy()
	if ownKeys {
		e.setDefault("OPENAI_API_KEY", "trapgate")
		e.setDefault("ANTHROPIC_API_KEY", "trapgate")
	}
	args = append([]string(nil), command...)
	switch commandName(command) {
	case "codex":
		args = append([]string{args[0]}, append(codexFlags(base, e.get("OPENAI_API_KEY") != ""), args[1:]...)...)
	case "opencode":
		e.set("OPENCODE_CONFIG_CONTENT", opencodeConfig(e.get("OPENCODE_CONFIG_CONTENT"), base))
	case "claude":
		// Its other traffic does not go to the model API, and would not reach it through us.
		e.setDefault("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
	}
	return args, e
}

// commandName is what a command is known by: python -m aider is aider, npx codex is codex.
func commandName(command []string) string {
	name := filepath.Base(command[0])
	switch {
	case strings.HasPrefix(name, "python") && len(command) > 2 && command[1] == "-m":
		return command[2]
	case name == "npx" || name == "uvx" || name == "bunx" || name == "pnpx":
		for _, a := range command[1:] {
			if !strings.HasPrefix(a, "-") {
				a = strings.TrimPrefix(strings.TrimPrefix(a, "@openai/"), "@anthropic-ai/")
				name, _, _ = strings.Cut(a, "@")
				return strings.TrimSuffix(name, "-code")
			}
		}
	}
	return name
}

// codexFlags point Codex at base for one run. With an API key a provider of our own avoids the WebSocket attempts of the
// built-in one; without, the built-in one keeps the user's login.
func codexFlags(base string, key bool) []string {
	quoted := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	if !key {
		return []string{"-c", "openai_base_url=" + quoted(base)}
	}
	const p = "model_providers.trapgate."
	return []string{
		"-c", `model_provider="trapgate"`, "-c", p + `name="Trapgate"`, "-c", p + "base_url=" + quoted(base),
		"-c", p + `env_key="OPENAI_API_KEY"`, "-c", p + `wire_api="responses"`,
	}
}

// opencodeConfig sets the base URL of opencode's two main providers in the configuration that it takes from its environment,
// beside what the user has there.
func opencodeConfig(current, base string) string {
	var c map[string]any
	if json.Unmarshal([]byte(current), &c) != nil || c == nil {
		c = map[string]any{}
	}
	providers := object(c, "provider")
	for _, name := range [...]string{"openai", "anthropic"} {
		object(object(providers, name), "options")["baseURL"] = base
	}
	// Providers that the user defined there speak to a URL of their own: those go through us too.
	for name := range providers {
		if p, ok := providers[name].(map[string]any); ok {
			if o, ok := p["options"].(map[string]any); ok && o["baseURL"] != nil {
				o["baseURL"] = base
			}
		}
	}
	b, _ := json.Marshal(c)
	return string(b)
}

func object(in map[string]any, key string) map[string]any {
	o, ok := in[key].(map[string]any)
	if !ok {
		o = map[string]any{}
		in[key] = o
	}
	return o
}

// howToPoint says what a command that did not call us needs.
func howToPoint(command string) string {
	switch filepath.Base(command) {
	case "cline":
		return "cline keeps its base URL in its settings: cline auth -p openai -b URL, with the URL of trapgate serve"
	case "letta":
		return "letta connect openai-compatible --base-url URL, with the URL of trapgate serve"
	case "opencode":
		return "opencode's own providers need provider.NAME.options.baseURL in opencode.json, with the URL of trapgate serve"
	}
	return "it was given OPENAI_BASE_URL, OPENAI_API_BASE and ANTHROPIC_BASE_URL; if it reads none of them, give it the URL by its own setting for a base URL (api_base, base_url, baseURL), from $OPENAI_BASE_URL or from trapgate serve"
}

// environment is a list of name=value.
type environment []string

func (e environment) find(name string) int {
	for i, v := range e {
		if strings.HasPrefix(v, name) && len(v) > len(name) && v[len(name)] == '=' {
			return i
		}
	}
	return -1
}

func (e environment) get(name string) string {
	if i := e.find(name); i >= 0 {
		return e[i][len(name)+1:]
	}
	return ""
}

func (e *environment) set(name, value string) {
	if i := e.find(name); i >= 0 {
		(*e)[i] = name + "=" + value
		return
	}
	*e = append(*e, name+"="+value)
}

func (e *environment) setDefault(name, value string) {
	if e.get(name) == "" {
		e.set(name, value)
	}
}

// bypassProxy keeps calls to loopback away from a proxy that the environment names.
func (e *environment) bypassProxy() {
	for _, name := range [...]string{"NO_PROXY", "no_proxy"} {
		list := e.get(name)
		if list == "*" || strings.Contains(","+list+",", ",127.0.0.1,") {
			continue
		}
		if e.get("HTTP_PROXY")+e.get("http_proxy")+e.get("HTTPS_PROXY")+e.get("https_proxy")+e.get("ALL_PROXY")+e.get("all_proxy") == "" {
			continue
		}
		if list != "" {
			list += ","
		}
		e.set(name, list+"127.0.0.1,localhost")
	}
}
