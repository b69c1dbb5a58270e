package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// runRole runs this program as one of its helpers until stdin is closed. The first line on stdout is `ready ADDRESS`.
func runRole(role string, args []string) error {
	var handler fasthttp.RequestHandler
	var tokens atomic.Int64
	switch role {
	case "upstream":
		handler = modelServer
	case "copy":
		handler = copyProxy(args[0])
	case "sink":
		handler = spanSink(&tokens)
	default:
		return fmt.Errorf("bench: no role %q", role)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	server := &fasthttp.Server{
		Handler: handler, MaxRequestBodySize: 64 << 20, ReadBufferSize: 64 << 10,
		NoDefaultServerHeader: true, Logger: quiet{}, Concurrency: 4096,
	}
	go func() { _ = server.Serve(l) }()
	fmt.Println("ready", l.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}

const unaryAnswer = `{"id":"chatcmpl-bench","object":"chat.completion","created":1795000000,"model":"bench-1","choices":[{"index":0,` +
	`"message":{"role":"assistant","content":"It lets one through and remembers who it was.","refusal":null},"logprobs":null,"finish_reason":"stop"}],` +
	`"usage":{"prompt_tokens":38,"completion_tokens":11,"total_tokens":49,"prompt_tokens_details":{"cached_tokens":32}},"system_fingerprint":"fp_bench"}`

// modelServer answers at once. With `X-Bench: COUNT GAP` it streams COUNT tokens, GAP nanoseconds apart.
func modelServer(ctx *fasthttp.RequestCtx) {
	h := &ctx.Response.Header
	h.Set("X-Request-Id", "req_0123456789abcdef")
	h.Set("Openai-Processing-Ms", "1")
	h.Set("X-Ratelimit-Remaining-Requests", "9999")
	spec := ctx.Request.Header.Peek("X-Bench")
	if len(spec) == 0 {
		h.SetContentType("application/json")
		ctx.Response.SetBodyString(unaryAnswer)
		return
	}
	var count int
	var gap time.Duration
	if _, err := fmt.Sscan(string(spec), &count, (*int64)(&gap)); err != nil {
		ctx.Error(err.Error(), fasthttp.StatusBadRequest)
		return
	}
	h.SetContentType("text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	ctx.Response.SetBodyStream(&tokenStream{count: count, gap: gap}, -1)
}

const (
	chunkStart = `data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1795000000,"model":"bench-1","choices":[{"index":0,"delta":`
	stampStart = `{"content":"`
	chunkEnd   = `"},"logprobs":null,"finish_reason":null}]}` + "\n\n"
	streamEnd  = chunkStart + `{},"logprobs":null,"finish_reason":"stop"}]}` + "\n\n" +
		`data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1795000000,"model":"bench-1","choices":[],` +
		`"usage":{"prompt_tokens":38,"completion_tokens":11,"total_tokens":49}}` + "\n\ndata: [DONE]\n\n"
)

// A tokenStream writes each token as one chunk and one flush, with the time of the write inside.
type tokenStream struct {
	count int
	gap   time.Duration
}

func (*tokenStream) Read([]byte) (int, error)  { return 0, errors.New("bench: WriteTo only") }
func (*tokenStream) SupportsBodyWriteTo() bool { return true }

func (s *tokenStream) WriteTo(w io.Writer) (int64, error) {
	buf := make([]byte, 0, 512)
	start := time.Now()
	for i := range s.count {
		if s.gap > 0 {
			time.Sleep(time.Until(start.Add(time.Duration(i) * s.gap)))
		}
		buf = append(buf[:0], chunkStart+stampStart...)
		buf = strconv.AppendInt(buf, time.Now().UnixNano(), 10)
		buf = append(buf, chunkEnd...)
		if _, err := w.Write(buf); err != nil {
			return 0, err
		}
	}
	_, err := io.WriteString(w, streamEnd)
	return 0, err
}

// copyProxy is the least a fasthttp proxy can be: what comes in goes out, bodies of answers as they stream.
func copyProxy(upstream string) fasthttp.RequestHandler {
	client := &fasthttp.HostClient{
		Addr: upstream, MaxConns: 4096, StreamResponseBody: true, MaxResponseBodySize: 64 << 20,
		NoDefaultUserAgentHeader: true, ReadBufferSize: 16 << 10,
	}
	return func(ctx *fasthttp.RequestCtx) {
		if err := client.Do(&ctx.Request, &ctx.Response); err != nil {
			ctx.Error(err.Error(), fasthttp.StatusBadGateway)
		}
	}
}

// spanSink takes OTLP over HTTP and counts bytes; GET answers the count of posts.
func spanSink(posts *atomic.Int64) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if ctx.IsGet() {
			fmt.Fprintf(ctx, "%d", posts.Load())
			return
		}
		posts.Add(1)
		ctx.Response.Header.SetContentType("application/x-protobuf")
	}
}
