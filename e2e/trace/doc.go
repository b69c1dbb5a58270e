// Package trace starts real trace back ends and reads spans back from them, so that a test can see what an operator would.
//
// Jaeger takes OTLP itself. Zipkin 3.4 does not, so a Bridge stands before it and does what a collector does: OTLP over
// HTTP in, Zipkin's v2 JSON out. Both are fetched or built once and cached (see rig.Once); both listen on loopback only.
package trace
