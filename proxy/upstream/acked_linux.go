package upstream

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// taken reports whether the other side has acknowledged any byte behind the first `before` ones. A peer that closed a kept
// connection before it saw the request has not, and then sending the request again is provably safe. It says yes when it
// cannot tell.
func taken(raw net.Conn, before uint64) bool {
	tcp, ok := raw.(*net.TCPConn)
	if !ok {
		return true
	}
	rc, err := tcp.SyscallConn()
	if err != nil {
		return true
	}
	acked := true
	rc.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), syscall.IPPROTO_TCP, unix.TCP_INFO)
		// The SYN counts as one.
		acked = err != nil || info.Bytes_acked > before+1
	})
	return acked
}
