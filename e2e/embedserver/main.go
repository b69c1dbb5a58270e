package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/trapgate/trapgate/e2e/embedserver/server"
)

func main() {
	var o server.Options
	flag.IntVar(&o.Threads, "threads", 1, "that compute")
	flag.IntVar(&o.MostTexts, "most-texts", 0, "of a request; more are refused; 0: 2048")
	flag.Parse()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	s, err := server.Launch(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(s.URL + "/embeddings")
	select {
	case <-stop:
		s.Stop()
	case <-s.Ended():
		fmt.Fprintf(os.Stderr, "the server ended: %s\n", s.Log())
		os.Exit(1)
	}
}
