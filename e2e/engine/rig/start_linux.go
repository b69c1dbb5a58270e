package rig

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// starter is a goroutine with a thread of its own that never ends: the kernel sends a child its parent-death signal when
// the thread that started it ends, and Go's threads come and go.
var starter = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

// start starts a command that gets SIGTERM when this process ends, however it ends.
func start(cmd *exec.Cmd) (err error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGTERM
	done := make(chan struct{})
	starter() <- func() {
		err = cmd.Start()
		close(done)
	}
	<-done
	return err
}
