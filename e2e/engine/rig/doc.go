// Package rig is what the programs and tests under e2e share: a cache of things that are costly to make, processes that
// cannot outlive the test that started them, and a Trapgate built once and run on loopback.
//
// The one rule: everything that is started here is stopped here, by its own process, and nothing is written into the
// source tree.
package rig
