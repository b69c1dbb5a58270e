// Command trapgate is the gate that an agent's model calls trap into: an OpenAI-compatible proxy for agents that nobody
// modified. See README.md for what it does and pipeline.go for how.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/trapgate/trapgate/proxy/config"
)

// exitCode is how a command ends other than by an error message.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// streams are what a command reads from and writes to.
type streams struct {
	in          io.Reader
	out, err    io.Writer
	env         config.Env
	environ     []string // for the commands that run starts
	interrupted func()   // a second signal: exit at once
}

// common are the flags of every command that starts a gateway.
type common struct {
	Config   string `help:"Configuration file (YAML)." placeholder:"FILE" env:"TRAPGATE_CONFIG"`
	Upstream string `help:"Model API for everything, instead of the configured ones." placeholder:"URL"`
	Data     string `help:"Directory for state." placeholder:"DIR"`
}

type commands struct {
	Serve   serveCommand   `cmd:"" help:"Serve agents until stopped."`
	Run     runCommand     `cmd:"" help:"Run a command with its model calls going through Trapgate, and say what it did."`
	Demo    demoCommand    `cmd:"" help:"See what it does: simulated agents and model, direct and through Trapgate."`
	Sim     simCommand     `cmd:"" help:"Serve the simulated model alone."`
	Check   checkCommand   `cmd:"" help:"Check a configuration file as serve would load it."`
	Top     topCommand     `cmd:"" help:"Show what is in flight."`
	Usage   usageCommand   `cmd:"" help:"Add up tokens and money: by tenant, agent, model, day or upstream."`
	Context contextCommand `cmd:"" help:"Look at rewritten conversations: what is kept, what the model sees, what was left out."`
	Memory  memoryCommand  `cmd:"" help:"Look at what is remembered, and change it: search, remember, forget, export, import, audit."`
	Health  healthCommand  `cmd:"" help:"Ask a running Trapgate whether it is ready: for exec probes."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	s := &streams{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: config.OSEnv(), environ: os.Environ(), interrupted: stop}
	code := execute(ctx, os.Args[1:], s)
	stop()
	os.Exit(code)
}

// execute runs one command line and returns the exit code: 0 done, 1 failed, 2 wrong usage or configuration.
func execute(ctx context.Context, args []string, s *streams) (code int) {
	var c commands
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("trapgate"),
		kong.Description("A sidecar for agents: between agents nobody modified and any OpenAI-compatible model API."),
		kong.Writers(s.out, s.err), kong.Exit(func(code int) { exited = code; panic(exitCode(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(s),
	)
	if err != nil {
		fmt.Fprintln(s.err, "trapgate:", err)
		return 1
	}
	defer func() {
		if v := recover(); v != nil {
			if exited < 0 {
				panic(v)
			}
			code = exited
		}
	}()
	k, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(s.err, "trapgate: %v\nhint: trapgate --help\n", err)
		return 2
	}
	return report(k.Run(), s.err)
}

// report prints what went wrong, once, and chooses the exit code.
func report(err error, stderr io.Writer) int {
	var code exitCode
	var problems config.Problems
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &problems):
		fmt.Fprintln(stderr, problems.Error())
		return 2
	}
	fmt.Fprintln(stderr, "trapgate:", err)
	return 1
}

// release is set at build time with -ldflags -X.
var release string

// version names the release, else the commit that was built.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "devel"
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				v += "-" + s.Value[:12]
			}
		}
	}
	return v
}

type versionCommand struct{}

func (versionCommand) Run(s *streams) error {
	_, err := fmt.Fprintln(s.out, "trapgate", version())
	return err
}
