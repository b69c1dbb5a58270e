//go:build race

package memory

// slower is by how much times are longer under the race detector.
const slower = 8
