package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const tick = 10 * time.Millisecond // of /proc/PID/stat: USER_HZ is 100 on every Linux that Go runs on

// family returns a process and its children, as nginx has workers.
func family(pid int) []int {
	all := []int{pid}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, t := range tasks {
		raw, err := os.ReadFile(t)
		if err != nil {
			continue
		}
		for _, f := range strings.Fields(string(raw)) {
			if child, err := strconv.Atoi(f); err == nil {
				all = append(all, family(child)...)
			}
		}
	}
	return all
}

// cpu is the time that a process and its children have used, user and system.
func cpu(pid int) time.Duration {
	var sum time.Duration
	for _, p := range family(pid) {
		if ns, ok := scheduled(p); ok {
			sum += ns
			continue
		}
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p))
		if err != nil {
			continue
		}
		_, rest, _ := bytes.Cut(raw, []byte(") ")) // the command's name may hold blanks
		f := strings.Fields(string(rest))
		for _, i := range []int{11, 12} { // utime, stime
			n, _ := strconv.ParseInt(f[i], 10, 64)
			sum += time.Duration(n) * tick
		}
	}
	return sum
}

// scheduled adds up the time on a core of a process's threads, to the nanosecond. Threads that have ended are missing, but
// neither Go's runtime nor nginx ends threads under load. It needs a kernel with CONFIG_SCHED_INFO.
func scheduled(pid int) (sum time.Duration, ok bool) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, t := range tasks {
		raw, err := os.ReadFile(t)
		if err != nil {
			continue
		}
		var ns int64
		if _, err := fmt.Sscan(string(raw), &ns); err == nil && ns > 0 {
			sum += time.Duration(ns)
			ok = true
		}
	}
	return sum, ok
}

// memory returns the resident MiB of a process and its children now, and at their highest.
func memory(pid int) (now, peak float64) {
	for _, p := range family(pid) {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(raw)) {
			f := strings.Fields(line)
			if len(f) < 2 {
				continue
			}
			kb, _ := strconv.ParseFloat(f[1], 64)
			switch f[0] {
			case "VmRSS:":
				now += kb / 1024
			case "VmHWM:":
				peak += kb / 1024
			}
		}
	}
	return now, peak
}

// sockets counts the open sockets of a process.
func sockets(pid int) int {
	n := 0
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}
