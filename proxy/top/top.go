package top

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"

	"github.com/trapgate/trapgate/proxy/admin"
)

// interval is the time between two looks while the view is open.
const interval = 500 * time.Millisecond

// Options say whom to ask and where to draw.
type Options struct {
	Admin string // the admin port: host:port, a URL, or unix:PATH
	Token string // of the data directory: admin.ReadToken
	Once  bool   // print one look as plain text, as is done without a terminal
	In    io.Reader
	Out   io.Writer
}

// Run shows what is in flight until the user presses q or ctx ends. Without a terminal it prints one look.
func Run(ctx context.Context, o Options) error {
	c, err := newClient(o.Admin, o.Token)
	if err != nil {
		return err
	}
	defer c.close()
	if o.Once || !terminal(o.In) || !terminal(o.Out) {
		return once(ctx, c, o.Out)
	}
	m := &model{ctx: ctx, client: c}
	_, err = tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(o.In), tea.WithOutput(o.Out)).Run()
	if errors.Is(err, tea.ErrInterrupted) || ctx.Err() != nil {
		return nil
	}
	return err
}

func terminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(f.Fd())
}

func once(ctx context.Context, c *client, out io.Writer) error {
	s, err := c.ask(ctx)
	if err != nil {
		return err
	}
	list, _ := lines(s, rates{})
	_, err = io.WriteString(out, strings.Join(list, "\n")+"\n")
	return err
}

// A model is the state of the view.
type model struct {
	ctx           context.Context
	client        *client
	state         *admin.State
	rates         rates
	err           error
	width, height int
	scroll        int
}

// A look is one answer of the admin port.
type look struct {
	state *admin.State
	err   error
}

// A tick says that it is time to look again.
type tick struct{}

func (m *model) look() tea.Msg {
	s, err := m.client.ask(m.ctx)
	return look{s, err}
}

// Init implements tea.Model.
func (m *model) Init() tea.Cmd { return m.look }

// Update implements tea.Model.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case look:
		if m.err = msg.err; msg.err == nil {
			m.rates = between(m.state, msg.state)
			m.state = msg.state
		}
		return m, tea.Tick(interval, func(time.Time) tea.Msg { return tick{} })
	case tick:
		return m, m.look
	case tea.KeyPressMsg:
		switch msg.String() {
		case "q", "esc", "ctrl+c":
			return m, tea.Quit
		case "down", "j":
			m.scroll++
		case "up", "k":
			m.scroll = max(m.scroll-1, 0)
		}
	}
	return m, nil
}

// View implements tea.Model.
func (m *model) View() tea.View {
	v := tea.NewView(m.draw())
	v.AltScreen = true
	v.WindowTitle = "trapgate top"
	return v
}

const (
	bold  = "\x1b[1m"
	faint = "\x1b[2m"
	reset = "\x1b[0m"
)

// draw fits the lines into the window: the header stays, the table scrolls.
func (m *model) draw() string {
	var list []string
	head := 0
	if m.state != nil {
		list, head = lines(m.state, m.rates)
	}
	foot := faint + "q quits, up and down scroll" + reset
	if m.err != nil {
		foot = bold + strings.ReplaceAll(plainLines(m.err.Error()), "\n", "; ") + reset
	}
	fixed := min(head+1, len(list)) // the table's own heading stays too
	body := list[fixed:]
	if m.height > 0 {
		room := max(m.height-fixed-1, 0)
		m.scroll = min(m.scroll, max(len(body)-room, 0))
		body = body[m.scroll:min(len(body), m.scroll+room)]
	}
	out := make([]string, 0, len(list)+1)
	for i, line := range list[:fixed] {
		if i == 0 || i == head {
			line = bold + line + reset
		}
		out = append(out, line)
	}
	out = append(append(out, body...), foot)
	if m.width > 0 {
		for i := range out {
			out[i] = ansi.Truncate(out[i], m.width, "")
		}
	}
	return strings.Join(out, "\n")
}
