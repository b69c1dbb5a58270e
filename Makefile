# Everything that is run here is listed by `make help`. Steps of test and full go through e2e/summary, which counts.

BIN      := $(CURDIR)/bin
TRAPGATE := $(BIN)/trapgate
TOOL     := go tool -modfile=tools/go.mod
SUMMARY  := $(BIN)/summary
STEP     := $(SUMMARY) step
FUZZED   := ./internal/wire ./internal/sse ./proxy/config ./internal/assemble ./ratelimit ./ratelimit/limit ./ratelimit/budget \
            ./ctxrewrite ./ctxrewrite/tokens ./ctxrewrite/digest ./ctxrewrite/hygiene ./internal/state ./filters/recall \
            ./memory ./memory/record ./memory/decide ./memory/index ./memory/sqlite ./memory/qdrant ./memory/embed ./memory/extract
TARGETS  := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64
REALTEST := go test -tags e2e -count=1 -timeout 40m -json

# The suites with real parts test one binary, built once.
export TRAPGATE_BIN := $(TRAPGATE)
export TRAPGATE_E2E_SUMMARY := $(CURDIR)/.cache/clients.md

.DEFAULT_GOAL := help
.PHONY: help build demo test full unit bench fuzz lint cross generate setup clean summary

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build the command into bin/
	go build -trimpath -o $(TRAPGATE) ./proxy

demo: ## See what it does: simulated agents and model, direct and through Trapgate
	go run ./proxy demo

unit: ## Test without network, root or real parts: under a minute after the build
	go test ./...

test: summary ## Test everything, each real part once: 16 minutes, 30 the first time
	@$(SUMMARY) reset
	@rm -f $(TRAPGATE)
	@$(STEP) -twice setup e2e/setup.sh
	@$(STEP) build $(MAKE) --no-print-directory build
	@$(MAKE) --no-print-directory lint-steps
	@$(STEP) "unit tests" go test -race -json ./...
	@$(STEP) "cost of a call" go test -json -run TestCost ./filters/schedule
	@$(STEP) "real engine" $(REALTEST) ./e2e/engine
	@$(STEP) "real trace store" $(REALTEST) ./e2e/trace
	@$(STEP) "real Redis" $(REALTEST) ./e2e/redis
	@TRAPGATE_E2E_CLIENTS=quick $(STEP) "real clients" $(REALTEST) ./e2e/clients
	@$(STEP) "real framework outgrows its window" $(REALTEST) ./e2e/context
	@$(STEP) "real frameworks remember" $(REALTEST) ./e2e/memory
	@$(STEP) "Qdrant's engine" $(REALTEST) ./e2e/qdrant
	@$(SUMMARY) fuzz -total 60s $(filter-out ./ratelimit,$(FUZZED)) # its inputs are slow; its property test is a unit test
	@$(STEP) -twice "quick bench" go run ./e2e/bench -quick
	@$(STEP) -twice "scheduler in virtual time, quick" go run ./e2e/bench/sched -quick
	@$(STEP) -twice "scheduler for real, quick" go run ./e2e/bench/turns -quick -only added,cancel,abandon
	@$(STEP) -twice "context, quick" go run ./e2e/bench/context -quick -only replay
	@$(STEP) -twice "memory, quick" go run ./e2e/bench/memory -quick -only retrieve
	@$(MAKE) --no-print-directory cross-steps
	@$(SUMMARY) report

full: export TRAPGATE_E2E_FULL = 1
full: export TRAPGATE_E2E_CLIENTS = all
full: summary ## Test everything with all clients, counts and figures, into e2e/results/full.md: 90 minutes
	@$(SUMMARY) reset
	@rm -f $(TRAPGATE)
	@$(STEP) -twice setup e2e/setup.sh
	@$(STEP) build $(MAKE) --no-print-directory build
	@$(MAKE) --no-print-directory lint-steps
	@$(STEP) "unit tests" go test -race -count=1 -json ./...
	@$(STEP) "cost of a call" go test -count=1 -json -run TestCost ./filters/schedule
	@TRAPGATE_CUTS=1000000 $(STEP) "a million cuts" go test -count=1 -timeout 40m -json -run TestCuts ./ctxrewrite
	@$(STEP) "real engine" $(REALTEST) ./e2e/engine
	@$(STEP) "real trace stores" $(REALTEST) ./e2e/trace
	@$(STEP) "real Redis" $(REALTEST) ./e2e/redis
	@$(STEP) "real clients" $(REALTEST) ./e2e/clients
	@$(STEP) "real clients outgrow their windows" $(REALTEST) ./e2e/context
	@$(STEP) "real frameworks remember" $(REALTEST) ./e2e/memory
	@$(STEP) "Qdrant's engine" $(REALTEST) ./e2e/qdrant
	@$(STEP) "real embeddings" $(REALTEST) ./e2e/embedserver/...
	@$(STEP) "retrieval on LoCoMo's dev half" $(REALTEST) ./e2e/bench/locomo/...
	@$(STEP) "killed 200 times" $(REALTEST) -run 'Killed200Times|Replay10000' ./memory
	@$(STEP) bench go run ./e2e/bench
	@$(STEP) "scheduler in virtual time" go run ./e2e/bench/sched -out e2e/bench/results/sched
	@$(STEP) "scheduler for real" go run ./e2e/bench/turns
	@$(STEP) context go run ./e2e/bench/context
	@$(STEP) memory go run ./e2e/bench/memory
	@$(SUMMARY) fuzz -each 10m $(FUZZED)
	@$(MAKE) --no-print-directory cross-steps
	@mkdir -p e2e/results
	@$(SUMMARY) report -full e2e/results/full.md

bench: build ## Measure what Trapgate adds, how it schedules and rewrites, into e2e/bench/results: 50 minutes
	go run ./e2e/bench
	go run ./e2e/bench/sched -out e2e/bench/results/sched
	go run ./e2e/bench/turns
	go run ./e2e/bench/context
	go run ./e2e/bench/memory

fuzz: summary ## Fuzz every parser and the scheduler for ten minutes each, side by side
	@$(SUMMARY) reset
	@$(SUMMARY) fuzz -each 10m $(FUZZED)
	@$(SUMMARY) report

lint: summary ## Run go vet, gofumpt and staticcheck, the latter two pinned in tools/go.mod
	@$(SUMMARY) reset
	@$(MAKE) --no-print-directory lint-steps
	@$(SUMMARY) report

cross: summary ## Build for linux and darwin, amd64 and arm64
	@$(SUMMARY) reset
	@$(MAKE) --no-print-directory cross-steps
	@$(SUMMARY) report

generate: ## Write docs/configuration.md and the JSON Schema anew from the structs
	go test ./proxy/config -run 'TestReference|TestSchema' -update

setup: ## Install the Debian packages that the real parts need, when they are missing
	e2e/setup.sh

clean: ## Remove what was built here; the cache of real parts stays
	rm -rf bin .cache

summary:
	@go build -o $(SUMMARY) ./e2e/summary

.PHONY: lint-steps cross-steps
lint-steps:
	@$(STEP) "go vet" go vet -tags e2e ./...
	@$(STEP) gofumpt sh -c 'out=$$($(TOOL) gofumpt -l .) && echo "$$out" && test -z "$$out"'
	@$(STEP) staticcheck $(TOOL) staticcheck -tags e2e ./...

cross-steps: $(TARGETS:%=cross/%)

.PHONY: $(TARGETS:%=cross/%)
$(TARGETS:%=cross/%): cross/%:
	@CGO_ENABLED=0 GOOS=$(*D) GOARCH=$(*F) $(STEP) "build $*" go build -trimpath -o $(BIN)/trapgate-$(*D)-$(*F) ./proxy
