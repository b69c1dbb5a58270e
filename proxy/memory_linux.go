package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// settle gives back what start-up needed and no exchange will: the heap's free pages, and the pages of the program itself
// that only its initialisation has touched. Those are clean copies of the file, so the kernel maps them again when they are
// needed.
func settle() {
	debug.FreeOSMemory()
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer f.Close()
	exe, err := os.Executable()
	if err != nil {
		return
	}
	var from, to uintptr
	for s := bufio.NewScanner(f); s.Scan(); {
		line := s.Text()
		var start, end uintptr
		var perms string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &start, &end, &perms); n == 3 {
			from, to = 0, 0
			if strings.HasSuffix(line, " "+exe) && !strings.Contains(perms, "w") {
				from, to = start, end
			}
			continue
		}
		// A page that is no longer the file's (a relocation, say) would be lost.
		var own int
		if n, _ := fmt.Sscanf(line, "Anonymous: %d kB", &own); n == 1 && own == 0 && from != 0 {
			unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED)
		}
	}
}
