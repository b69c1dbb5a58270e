// Package watch tells at once that the other side of a socket has gone, with one epoll for all sockets: no goroutine and no
// system call for each request.
//
// The rule that keeps it right: only the owner of a socket closes it, and removes it here first. A hook may shut a socket
// down but never close it: a closed descriptor's number is reused, and a late removal would hit a stranger.
package watch

// A Hook is told that the peer of a socket has closed, half-closed or reset it. It runs on the watcher's goroutine, may run
// more than once for one socket, and must not block.
type Hook interface{ PeerGone() }

// A Token names a registration. The zero Token names none.
type Token struct {
	fd  int32
	gen int32
}
