package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The commands that scripts use besides trapgate. Each runs in a process of its own.

// fetchMain makes one HTTP request and prints the status, the headers that -H names, and the body as it comes.
func fetchMain() {
	var send, show fields
	flag.Var(&send, "H", "a header line to send")
	flag.Var(&show, "show", "a header of the response to print")
	data := flag.String("d", "", "a body: then it is a POST")
	flag.Parse()
	method := http.MethodGet
	if *data != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequest(method, flag.Arg(0), strings.NewReader(*data))
	die(err)
	for _, h := range send {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	die(err)
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode)
	for _, name := range show {
		fmt.Printf("%s: %s\n", name, resp.Header.Get(name))
	}
	_, err = io.Copy(os.Stdout, resp.Body)
	die(err)
}

type fields []string

func (f *fields) String() string     { return strings.Join(*f, ", ") }
func (f *fields) Set(s string) error { *f = append(*f, s); return nil }

// agentMain is an agent as small as it can be: it makes the calls that its arguments name, by its environment alone.
func agentMain() {
	for _, call := range os.Args[1:] {
		dialect, how, _ := strings.Cut(call, "/")
		path := map[string]string{"chat": "/chat/completions", "responses": "/responses", "messages": "/v1/messages"}[dialect]
		base, body := os.Getenv("OPENAI_BASE_URL"), `{"model":"sim","messages":[{"role":"user","content":"hello there"}]`
		if dialect == "responses" {
			body = `{"model":"sim","input":"hello there"`
		}
		if dialect == "messages" {
			base, body = os.Getenv("ANTHROPIC_BASE_URL"), body+`,"max_tokens":64`
		}
		if how == "stream" {
			body += `,"stream":true`
		}
		req, err := http.NewRequest(http.MethodPost, base+path, strings.NewReader(body+"}"))
		die(err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+os.Getenv("OPENAI_API_KEY"))
		if dialect == "messages" {
			req.Header.Set("Anthropic-Version", "2023-06-01")
		}
		resp, err := http.DefaultClient.Do(req)
		die(err)
		raw, err := io.ReadAll(resp.Body)
		die(err)
		fmt.Println(call, resp.StatusCode, len(raw) > 0)
	}
}

// talkerMain is an agent whose conversation grows by a tool call with each turn; its argument says how many. It gives up at the first
// refusal.
func talkerMain() {
	turns, err := strconv.Atoi(os.Args[1])
	die(err)
	c := newSession()
	c.model = "sim"
	for i := range turns {
		c.turn()
		req, err := http.NewRequest(http.MethodPost, os.Getenv("OPENAI_BASE_URL")+"/chat/completions", strings.NewReader(c.body()))
		die(err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer one")
		req.Header.Set("X-Session-Id", "talker")
		resp, err := http.DefaultClient.Do(req)
		die(err)
		raw, err := io.ReadAll(resp.Body)
		die(err)
		if resp.StatusCode != http.StatusOK {
			die(fmt.Errorf("turn %d: %d %s", i+1, resp.StatusCode, raw))
		}
	}
	fmt.Println(turns, "turns done")
}

// tellerMain says something in a conversation: its arguments are the session and the text. It prints what memory said of it. When a
// machine that has much to do was too slow for the deadline, it says it again in another one.
func tellerMain() {
	raw, err := json.Marshal(os.Args[2])
	die(err)
	body := `{"model":"sim","messages":[{"role":"user","content":` + string(raw) + `}]}`
	said := ""
	for n, end := 0, time.Now().Add(longest); n == 0 || time.Now().Before(end); n++ {
		req, err := http.NewRequest(http.MethodPost, os.Getenv("OPENAI_BASE_URL")+"/chat/completions", strings.NewReader(body))
		die(err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer one")
		req.Header.Set("X-Session-Id", fmt.Sprint(os.Args[1], n))
		resp, err := http.DefaultClient.Do(req)
		die(err)
		_, err = io.Copy(io.Discard, resp.Body)
		die(err)
		if said = resp.Header.Get("x-trapgate-memory"); !strings.Contains(said, "late") && said != "failed" {
			break
		}
	}
	fmt.Println("memory:", said)
}

// waiterMain waits for a signal, says which came, and exits with 9.
func waiterMain() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	fmt.Println("waiting as", os.Getpid())
	select {
	case sig := <-signals:
		fmt.Println("got", sig)
		os.Exit(9)
	case <-time.After(time.Minute):
		os.Exit(10)
	}
}

// showMain stands in for a known command: it prints its arguments and the part of its environment that points it.
func showMain() {
	for _, a := range os.Args[1:] {
		fmt.Println("arg", a)
	}
	env := os.Environ()
	slices.Sort(env)
	for _, v := range env {
		name, _, _ := strings.Cut(v, "=")
		for _, prefix := range [...]string{"OPENAI_", "ANTHROPIC_", "OPENCODE_", "CLAUDE_", "NO_PROXY", "no_proxy"} {
			if strings.HasPrefix(name, prefix) {
				fmt.Println("env", v)
			}
		}
	}
	if line, err := bufio.NewReader(os.Stdin).ReadString('\n'); err == nil {
		fmt.Print("in ", line)
	}
}

func die(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
