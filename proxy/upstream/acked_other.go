//go:build !linux

package upstream

import "net"

// taken reports whether the other side may have seen the request. There is no way to tell here, so it says yes.
func taken(net.Conn, uint64) bool { return true }
