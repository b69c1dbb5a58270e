package telemetry

import "github.com/trapgate/trapgate/internal/wire"

// Answer and Usage are what a response said about itself, as a wire.Meter read it.
type (
	Answer = wire.Answer
	Usage  = wire.Usage
)
