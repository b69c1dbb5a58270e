// Package clients runs real, unmodified agents and SDKs through Trapgate and proves that neither side can tell: recorders
// of package record stand before and behind it in the same run, agent -> recorder -> trapgate -> recorder -> model.
//
// The agents are pinned in drivers/: a requirements.txt with every version, a package.json with its lock, or a Go module
// of its own. They are installed once into a cache folder ($TRAPGATE_CACHE, else the user's cache folder) and get nothing
// but a base URL and a key by their own documented setting. SDKs need a program around them: those are the small drivers
// beside the manifests. The model is proxy/simmodel, told by a directive in the prompt which tools to call.
//
// Besides, raw tests without any client library send and answer exact bytes: bent streams, framings, cuts, early leaving,
// pooling, retries, upgrades. TestRunCommand lets "trapgate run" point the clients by itself.
//
// The tests have the build tag e2e. TRAPGATE_E2E_CLIENTS chooses: "quick" (the default: one agent for each dialect),
// "all", or names separated by commas. TRAPGATE_E2E_SUMMARY names a file for the result table. TRAPGATE_BIN is a built
// trapgate; without it one is built. TRAPGATE_E2E_DIRECT leaves Trapgate out, to try clients and harness alone.
package clients
