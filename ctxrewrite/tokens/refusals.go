package tokens

// The words with which upstreams refuse what is over a window, as regular expressions in which N is a number. The tests have a whole
// body of each.

var tooLongCodes = []string{
	`context_length_exceeded`,          // OpenAI, Azure, Groq, and many that speak their dialects
	`context_window_exceeded`,          // Z.ai, gateways
	`exceed_context_size_error`,        // llama.cpp
	`context_size_exceeded`,            //
	`ContextWindowExceededError`,       // LiteLLM
	`max_context_length_exceeded`,      //
	`context_budget_exceeded`,          //
	`input_too_long|prompt_too_long\b`, //
}

var tooLongWords = []string{
	`maximum context length`, // OpenAI, Azure, vLLM, SGLang, DeepSeek, OpenRouter, Mistral
	`context[_ ]length[_ ]exceeded`,
	`exceeds? (?:the |this |its |your |max(?:imum)? |available |(?:the )?model'?s? |total )*context (?:length|window|size|limit)`, // OpenAI responses, llama.cpp, Anthropic
	`exceeded (?:max(?:imum)? )?context (?:length|window|size)`,                                                                   // Ollama
	`prompt (?:is )?too long`,                                                          // Anthropic, Ollama
	`input (?:is|was) too long`,                                                        // Bedrock
	`number of input tokens exceeds|too many input tokens`,                             // Bedrock
	`too many tokens: (?:size limit|total number)`,                                     // Cohere
	`input token count.{0,40}exceeds the maximum number of tokens`,                     // Gemini
	`maximum prompt length is N`,                                                       // xAI
	`too large for model with N maximum`,                                               // Mistral
	`longer than the (?:model'?s |maximum )?(?:context|model|input) (?:length|window)`, // Together, SGLang, vLLM
	`greater than the context length|model is loaded with context length of`,           // LM Studio
	`context window exceeds limit`,                                                     // MiniMax
	`exceeded model token limit`,                                                       // Kimi
	`configured context size is N`,
	`range of input length should be`,                             // DashScope
	`reduce the length of (?:the|your) (?:messages|prompt|input)`, // Groq
	`prompt token count of N exceeds the limit of N`,              // GitHub Copilot
	`maximum allowed input length of N`,
	`model'?s context length is only N`,                                        // vLLM
	`.inputs. (?:tokens \+ .max_new_tokens. must be <=|must have less than) N`, // Text Generation Inference
}

// otherLimitWords are of refusals that shorter requests may pass too, but which say nothing of the window.
var otherLimitWords = []string{
	`rate[ _-]?limit`, `per[ _]minute`, `per[ _]day`, `\bTPM\b`, `quota`, `throttl`, `too many requests`, `insufficient_`, `api[ _]key`,
	`content[ _](?:filter|policy|management)`, `string_above_max_length`, `please wait`,
}

var windowWords = []string{
	`> N(?: maximum|\b)`, // Anthropic: 205000 tokens > 200000 maximum; 198000 + 8192 > 200000
	`(?:context|prompt|model|allowed input) (?:length|window|size|limit)(?: is| of| to)? ?(?:only )?\(?N`,
	`N maximum context length`,
	`maximum number of tokens allowed \(?N`,
	`token limit: N`,
	`exceeds the limit of N`,
	`must be <= N`,
	`cannot exceed N`, // Cohere
	`must have less than N`,
	`length should be \[\d+, ?N\]`,
}

// requestedWords: more than one number is a sum.
var requestedWords = []string{
	`too large: N\.[^\n]{0,120} (?:has|contains) (?:at least )?N input tokens`, // vLLM
	`passed N input tokens and requested N output tokens`,                      // vLLM
	`you requested (?:a total of |about )?N`,                                   // OpenAI, OpenRouter, DeepSeek, SGLang
	`(?:resulted in|request contains|requested:|prompt contains|prompt has) N`,
	`prompt is too long: N`,
	`exceed context limit: N \+ N`,
	`(?:input|prompt) token count(?: of)? \(?N`,
	`(?:request|input) \(N tokens\)`,
	`prompt \(length N\)`,
	`requested tokens \(N\)`,
	`given: N .inputs. tokens and N`,
	`given: N`,
	`received N`,
	`input length N exceeds`,
}
