package assemble

import (
	"strings"

	"github.com/trapgate/trapgate/internal/wire"
)

// What a member of a request does to the form of the answer.
type effect uint8

const (
	never    effect = iota // not known, or known to change it
	none                   // leaves it alone
	textOnly               // leaves it alone as long as it asks for text
)

// sampling are members that decide which tokens come, not how they are told: of the dialects and of the engines that speak them
// (llama.cpp, vLLM, SGLang).
const sampling = `model temperature top_p top_k min_p typical_p top_n_sigma seed stop n_predict n_keep ignore_eos
	presence_penalty frequency_penalty repeat_penalty repetition_penalty length_penalty repeat_last_n
	dry_multiplier dry_base dry_allowed_length dry_penalty_last_n dry_sequence_breakers xtc_probability xtc_threshold
	dynatemp_range dynatemp_exponent mirostat mirostat_tau mirostat_eta samplers logit_bias min_tokens max_tokens
	stop_token_ids bad_words allowed_token_ids grammar json_schema guided_json guided_regex guided_choice guided_grammar
	structured_outputs regex ebnf cache_prompt id_slot cache_salt lora lora_path chat_template_kwargs chat_template
	add_generation_prompt continue_final_message skip_special_tokens spaces_between_special_tokens
	include_stop_str_in_output truncate_prompt_tokens priority request_id thinking_budget_tokens
	stream service_tier tools tool_choice metadata user`

var (
	chatMembers = effects(sampling + ` messages max_completion_tokens stream_options n logprobs top_logprobs response_format
		parallel_tool_calls parse_tool_calls functions function_call reasoning reasoning_effort verbosity prediction store
		safety_identifier prompt_cache_key prompt_cache_retention`)
	responsesMembers = effects(sampling + ` input instructions max_output_tokens max_tool_calls include background store
		previous_response_id conversation prompt parallel_tool_calls reasoning text top_logprobs truncation context_management
		stream_options safety_identifier prompt_cache_key prompt_cache_retention client_metadata`)
	messagesMembers = effects(sampling + ` messages system stop_sequences thinking output_config output_format container
		context_management mcp_servers cache_control inference_geo speed`)
)

func effects(names string) map[string]effect {
	m := map[string]effect{"modalities": textOnly}
	for _, name := range strings.Fields(names) {
		m[name] = none
	}
	return m
}

// knownMembers are the members of a request whose effect is known; nil for a dialect that has no streams to assemble.
func knownMembers(d wire.Dialect) map[string]effect {
	switch d {
	case wire.Chat:
		return chatMembers
	case wire.Responses:
		return responsesMembers
	case wire.Messages:
		return messagesMembers
	}
	return nil
}
