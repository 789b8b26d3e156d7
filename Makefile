# One line of work each. `make demo` runs the product, `make test` passes the tests.

export GOTOOLCHAIN ?= local
GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -s -w -X main.version=$(VERSION)
LINT     := $(GO) tool -modfile=tools/go.mod golangci-lint
PACKAGES := ./...

# What counts so much that the race detector would take too long over it.
LONG := ThreeDays|KillsAtRandom|HoweverItGoesMissing

.PHONY: build demo run test show charts long quick lint generate fresh check bench fuzz drill kafka ui tools clean

build: ## both binaries, static, into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/tidemark ./cmd/crm-events

demo: ## the product, with an embedded Kafka and three groups
	CGO_ENABLED=0 $(GO) run -ldflags '$(LDFLAGS)' ./cmd/tidemark demo

run: build ## watch a cluster: make run ARGS=--kafka.server=host:9092
	bin/tidemark serve $(ARGS)

test: tools ## everything, against real parts, with the race detector
	TIDEMARK_INTEGRATION=1 CGO_ENABLED=1 test/suite $(PACKAGES)
	TIDEMARK_INTEGRATION=1 $(GO) test -run '$(LONG)' -timeout 20m ./kafka ./rules ./scale

show: tools ## 200 browsers, 100,000 events, growth, restarts and a dead broker, on a real Kafka
	TIDEMARK_INTEGRATION=1 $(GO) test -run WhateverHappens -v -timeout 20m ./test/clients

charts: ## the chart and the manifests, read by Helm and with Kubernetes' own types
	cd test/charts && $(GO) test ./...

long: ## a million steps of a policy that is shown what is not true
	TIDEMARK_LONG=1 $(GO) test -count 1 -run TestNothingUnknown ./policy

quick: ## what needs no tool but Go
	$(GO) test -short $(PACKAGES)

lint: ## linters of .golangci.yml, and formatting
	$(LINT) run $(PACKAGES)

generate: ui ## everything that is generated and committed
	$(GO) run ./cmd/tidemark generate docs --dir docs
	$(GO) run ./cmd/tidemark generate deploy --out deploy

fresh: ## generated files are what they would be if generated now
	test/fresh

check: lint fresh test ## what CI runs

bench: ## one refresh and one page at 30,000 and at 1,000,000 group-partitions
	$(GO) test -run '^$$' -bench . -benchtime 5x -timeout 20m ./test/bench
	$(GO) test -run '^$$' -bench . -timeout 20m ./metrics ./capacity ./policy ./relay ./relay/sink ./outbox

fuzz: ## each fuzz target for a while
	test/fuzz 30s

drill: ## a drill against the sandbox: make drill NAME=lag-and-recovery
	$(GO) run ./cmd/tidemark drill run $(or $(NAME),lag-and-recovery)

kafka: ## a real Kafka of three brokers, until: test/kafka/kafka stop
	test/kafka/kafka start --brokers 3

ui: ## the pages, from web/ui into web/dist
	cd web/ui && npm ci --no-audit --no-fund && npm run build

tools: ## the programs that tests need, installed if that is allowed
	test/tools

clean:
	rm -rf bin .cache
