//go:build !linux

package main

import "runtime/debug"

// settle gives back what start-up needed and no exchange will.
func settle() { debug.FreeOSMemory() }
