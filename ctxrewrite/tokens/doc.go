// Package tokens says how many tokens a text has, quickly or exactly, how many a model takes, and what an upstream says of it.
//
//   - Estimate is o200k's count of a text within a few percent, for the path of a request; Count is exact, for work beside it.
//   - Calibration learns from usage and from exact counts by what estimates must be multiplied for an upstream and model, whose
//     tokenizer and template may be others.
//   - Windows is the window of a model: what the upstream said, what an operator says, or a table of known models.
//   - ParseTooLong finds the window and the size in an upstream's refusal.
//
// All figures are tokens. Nothing keeps the bytes that it is given.
//
// The table of windows (models.go) was put together in November 2026 from what vendors publish: the model pages of OpenAI
// (developers.openai.com), Anthropic (platform.claude.com), Google (ai.google.dev), DeepSeek (api-docs.deepseek.com), Mistral
// (docs.mistral.ai), Alibaba Cloud's Model Studio, xAI and AWS, and the model cards of open weights; for models of 2026, partly from the
// catalogues of gateways that serve them. Where a host offers less than the model's maximum, the table says too much, and the host's
// first refusal corrects it. Where a family has grown without a new name, the smaller window stands.
//
// The words of refusals (refusals.go) are those of the vendors' error pages, of the open servers' sources and of reports about them.
//
// Estimate weighs ASCII by pairs of byte classes (weights.go) and other characters by Unicode range (blocks.go: fitted to
// sentences where there were samples, else to random words of the script, and rather too high than too low). fit_test.go fits the
// weights of pairs to the exact o200k counts of recorded agent traffic, Go's source tree, texts in ten languages, generated ids,
// hashes, logs and tables, and whatever else is named with -more: for the present weights Python, TypeScript, read-me files,
// workflows, and Vim's tutor and messages in 30 languages.
package tokens
