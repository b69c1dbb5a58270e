package main

import (
	"os"
	"os/signal"
	"syscall"
)

// reloadOnHangup calls reload on every SIGHUP until stop is called.
func reloadOnHangup(reload func()) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-signals:
				reload()
			case <-done:
				return
			}
		}
	}()
	return func() { signal.Stop(signals); close(done) }
}
