package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/trapgate/trapgate/memory/record"
)

type memoryForget struct {
	memoryFlags
	whoFlags
	What []string `arg:"" optional:"" help:"Ids, as list shows them, or words: what contains them all is forgotten."`
	All  bool     `help:"All of the user or session; without one, all of the tenant."`
	Yes  bool     `help:"Do not ask."`
}

// Run forgets. That nothing matched is an error, as it may be a name that was mistyped.
func (c *memoryForget) Run(ctx context.Context, s *streams) error {
	what, err := c.what()
	if err != nil {
		return err
	}
	m, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	defer m.close()
	q := url.Values{}
	c.askTenant(q)
	c.askWho(q)
	if what.Query != "" {
		if err = whose(m, s, &c.whoFlags, q); err != nil {
			return err
		}
	}
	if c.All && !c.Yes && !c.confirmed(s) {
		return errors.New("nothing was forgotten\nhint: --yes forgets without asking")
	}
	method, path, body := http.MethodPost, "/forget", any(what)
	if len(what.IDs) == 1 {
		method, path, body = http.MethodDelete, "/"+what.IDs[0].String(), nil
	}
	var r memoryReceipt
	if err := m.do(ctx, method, path, q, body, &r); err != nil {
		return err
	}
	nothing := r.Records == 0 && r.Notes == 0
	switch {
	case c.JSON:
		if err := printJSON(s.out, r); err != nil || !nothing {
			return err
		}
		return exitCode(1)
	case nothing:
		return errors.New("nothing matched" + m.hintOthers(ctx, q))
	}
	fmt.Fprintf(s.out, "forgotten: %d records, %d of them facts, %d notes, %d vectors, in %d conversations\n",
		r.Records, r.Facts, r.Notes, r.Vectors, r.Sessions)
	for _, id := range r.IDs {
		fmt.Fprintf(s.out, "  %s\n", id)
	}
	if r.Verified && r.Records > 0 {
		fmt.Fprintln(s.out, "verified: a search for each of them finds nothing, and a history that is sent again brings none of it back")
	} else if !r.Verified {
		return errors.New("not verified: something of it could still be found\nhint: do it again")
	}
	return nil
}

// what reads the arguments: all ids, or words.
func (c *memoryForget) what() (w memoryWhat, err error) {
	if c.All {
		if len(c.What) > 0 {
			return w, errors.New("forget: --all stands alone\nhint: --user or --session says of whom")
		}
		w.All = true
		return w, nil
	}
	if len(c.What) == 0 {
		return w, errors.New("forget: what?\nhint: ids as trapgate memory list shows them, words, or --all")
	}
	for _, text := range c.What {
		id, err := record.ParseID(text)
		if err != nil {
			return memoryWhat{Query: strings.Join(c.What, " ")}, nil
		}
		w.IDs = append(w.IDs, id)
	}
	return w, nil
}

// confirmed asks whether all is really meant.
func (c *memoryForget) confirmed(s *streams) bool {
	whom := "of the whole tenant"
	switch {
	case c.User != "" && c.Session != "":
		whom = "of user " + c.User + " in session " + c.Session
	case c.User != "":
		whom = "of user " + c.User
	case c.Session != "":
		whom = "of session " + c.Session
	}
	fmt.Fprintf(s.err, "Everything %s is forgotten for good. Type yes to go on: ", whom)
	answer, _ := bufio.NewReader(s.in).ReadString('\n')
	return strings.EqualFold(strings.TrimSpace(answer), "yes")
}
