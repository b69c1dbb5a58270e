//go:build !linux

package rig

import "os/exec"

// start starts a command. Only Linux can end it with this process.
func start(cmd *exec.Cmd) error { return cmd.Start() }
