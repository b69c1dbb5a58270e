package main

import (
	"strconv"

	"github.com/trapgate/trapgate/internal/head"
	"github.com/trapgate/trapgate/proxy/server"
)

// framing keeps the upstream's own way to delimit the body where that is possible.
func (r *relay) framing() server.Framing {
	switch {
	case r.resp.Bodiless:
		return server.Bodiless
	case r.resp.Length >= 0:
		return server.Sized
	}
	return server.Chunked
}

// startHead gathers the head of the answer: the upstream's lines in their order, hop-by-hop ones apart, then ours.
func (r *relay) startHead(f server.Framing) server.Framing {
	r.e.status = r.head.Status
	if r.e.committed {
		return server.Chunked
	}
	out := r.fields(f, -1)
	r.e.agent.Head(r.head.Status, r.resp.Reason, out, f)
	return f
}

// documentHead is startHead for a body that the rings may have changed.
func (r *relay) documentHead() {
	r.e.status = r.head.Status
	r.e.agent.Head(r.head.Status, r.resp.Reason, r.fields(server.Sized, len(r.e.document)), server.Sized)
}

// fields are the header lines that the agent gets. length replaces the upstream's content-length when it is not negative.
func (r *relay) fields(f server.Framing, length int) head.Fields {
	out := r.e.lines[:0]
	nominates := r.head.Fields.Nominates()
	framed := false
	for _, field := range r.head.Fields {
		switch {
		case head.Is(field.Name, "transfer-encoding"):
			if f != server.Chunked {
				continue
			}
			framed = true
		case head.Is(field.Name, "content-length"):
			if f == server.Chunked || framed {
				continue
			}
			if framed = true; length >= 0 {
				field.Value = strconv.AppendInt(nil, int64(length), 10)
			}
		case hopByHop(field.Name), nominates && r.head.Fields.Connection(field.Name):
			continue
		}
		out = append(out, field)
	}
	out = append(out, r.head.Added...)
	if !framed && f == server.Chunked && !r.e.agent.HTTP10 {
		out = append(out, head.Field{Name: transferEncoding, Value: chunked})
	}
	if !framed && length >= 0 {
		out = append(out, head.Field{Name: contentLength, Value: strconv.AppendInt(nil, int64(length), 10)})
	}
	out = r.e.ours(out)
	r.e.lines = out
	return out
}

var (
	transferEncoding = []byte("Transfer-Encoding")
	contentLength    = []byte("Content-Length")
	chunked          = []byte("chunked")
)

// hopByHop names response lines that belong to one connection.
func hopByHop(name []byte) bool {
	if len(name) == 0 {
		return true
	}
	switch name[0] | 0x20 {
	case 'c':
		return head.Is(name, "connection")
	case 'k':
		return head.Is(name, "keep-alive")
	case 'p':
		return head.Is(name, "proxy-connection") || head.Is(name, "proxy-authenticate")
	case 'u':
		return head.Is(name, "upgrade")
	}
	return false
}
