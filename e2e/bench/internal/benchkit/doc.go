// Package benchkit holds what the benches share: draws and request lengths, a few statistics, pictures, and where results go.
package benchkit
