//go:build !race

package memory

const slower = 1
