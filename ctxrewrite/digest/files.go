package digest

import (
	"slices"
	"strconv"
	"strings"

	"github.com/trapgate/trapgate/ctxrewrite/tokens"
)

// A file was named in the arguments of calls.
type file struct {
	Path  string // raw
	Count int
	Last  int // how many messages had been evicted when a call named it last
	Cost  int // tokens, without its directory
}

// files notes the paths in the raw arguments of a call.
func (c *collector) files(args []byte) {
	n := 0
	for i := nextMark(args, 0); i < len(args) && i < 4096 && n < 6; {
		v := valueAt(args, i)
		i = nextMark(args, v.To)
		if v.Flags&mark == 0 || v.To-v.From < 4 {
			continue
		}
		if v = trimValue(args, v); v.To-v.From > 3 && v.To-v.From < 160 && isPath(args[v.From:v.To]) {
			n++
			c.touch(args[v.From:v.To])
		}
	}
}

// touch notes a path behind those known, or that one of these was named again.
func (c *collector) touch(path []byte) {
	s := &c.state
	if c.touched == nil {
		c.touched = make(map[string]int, len(s.Files)+16)
		for i := range s.Files {
			c.touched[s.Files[i].Path] = i
		}
	}
	if i, ok := c.touched[string(path)]; ok {
		s.Files[i].Count++
		s.Files[i].Last = s.Messages
		return
	}
	f := file{Path: string(path), Count: 1, Last: s.Messages}
	_, name := f.split()
	f.Cost = tokens.Estimate([]byte(name)) + 1
	c.touched[f.Path] = len(s.Files)
	s.Files = append(s.Files, f)
}

// fitFiles keeps the files named last, within a budget a quarter above that of the phrases, and in the places that they have.
// first is the first message evicted.
func (c *collector) fitFiles(first int) {
	s := &c.state
	order := make([]int, len(s.Files))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		if n := s.Files[b].Last - s.Files[a].Last; n != 0 {
			return n
		}
		return b - a
	})
	left, stays, known := c.opt.FactBudget+c.opt.FactBudget/4, make([]bool, len(order)), map[string]bool{}
	for _, i := range order {
		dir, _ := s.Files[i].split()
		if left -= s.Files[i].Cost; !known[dir] {
			known[dir] = true
			left -= tokens.Estimate([]byte(dir)) + 2
		}
		if left < 0 {
			break
		}
		stays[i] = true
	}
	kept, lost := s.Files[:0], []string(nil)
	for i, f := range s.Files {
		if stays[i] {
			kept = append(kept, f)
		} else {
			lost = append(lost, f.Path)
		}
	}
	s.Files = kept
	c.leave(&s.LostFiles, lost, first)
}

// split is the directory with its slash, and the name.
func (f *file) split() (dir, name string) {
	k := strings.LastIndexByte(f.Path, '/') + 1
	return f.Path[:k], f.Path[k:]
}

func (f *file) times() string {
	if f.Count > 1 {
		return " x" + strconv.Itoa(f.Count)
	}
	return ""
}

// filesLine lists the files by directory, both in the order in which calls first named them.
func (s *state) filesLine() string {
	var dirs []string
	in := map[string][]string{}
	for i := range s.Files {
		dir, name := s.Files[i].split()
		if in[dir] == nil {
			dirs = append(dirs, dir)
		}
		in[dir] = append(in[dir], name+s.Files[i].times())
	}
	var out []string
	for _, dir := range dirs {
		names := strings.Join(in[dir], ", ")
		if dir != "" && len(in[dir]) > 1 {
			names = "{" + names + "}"
		}
		out = append(out, dir+names)
	}
	if l := s.LostFiles.line(); l != "" {
		out = append(out, l)
	}
	return strings.Join(out, ", ")
}
