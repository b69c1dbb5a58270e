package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// repeatEach is after how many calls one is repeated byte for byte, as agents do to regenerate.
const repeatEach = 100

// A contender is one row of the replay's table.
type contender struct {
	name string
	*verdict
}

// replay sends the session through the gate and judges what reaches the upstream, beside what others would make of it.
func replay(p *plan, r *report) error {
	s, err := p.openSession()
	if err != nil {
		return err
	}
	if p.calls > 0 && p.calls < len(s.Points) {
		s.Points = s.Points[:p.calls]
	}
	l, err := newLibrary(s)
	if err != nil {
		return err
	}
	r.replayHead(s, l.own(s.Points[len(s.Points)-1]).size())
	for _, w := range p.windows {
		limit := usable(w)
		all := []contender{
			{"unchanged", offline(l, w, unchanged(l))},
			{"drop oldest whole turns on each call", offline(l, w, dropOldest(l, limit))},
			{"reference: epochs 80 -> 30, told what is planted", offline(l, w, reference(l, limit))},
		}
		frontier := newOracle(l, limit, int(tailShare*float64(limit))).frontier()
		began := time.Now()
		v, err := throughGate(p, l, w)
		if err != nil {
			return fmt.Errorf("window %d: %w", w, err)
		}
		progress("%d calls through the gate took %v", v.calls, time.Since(began).Round(time.Millisecond))
		r.replay(w, append(all, contender{"**trapgate**", v}), frontier)
	}
	return nil
}

// throughGate replays the session through a gate of its own.
func throughGate(p *plan, l *library, w int) (*verdict, error) {
	rec, err := startRecorder(l, w, p.pace)
	if err != nil {
		return nil, err
	}
	defer rec.close()
	set := setup{base: rec.base(), model: modelName, context: p.section(
		window(modelName, w), fmt.Sprintf("reserve: %d", reserve), fmt.Sprintf("high: %g", highMark), fmt.Sprintf("low: %g", lowMark))}
	g, err := set.start()
	if err != nil {
		return nil, err
	}
	defer func() { _ = g.Close() }()
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableCompression: true}}
	defer client.CloseIdleConnections()
	for i, n := range l.s.Points {
		body := l.s.body(n)
		rec.expect(n, body)
		again := i%repeatEach == repeatEach-1 || i == len(l.s.Points)-1
		for range 1 + count(again) {
			if err := post(client, g.URL, i, body); err != nil {
				progress("call %d: %v", i, err)
				rec.v.failed++
			}
		}
		came, err := rec.arrived()
		if err != nil {
			return nil, err
		}
		if again {
			rec.v.repeats++
			rec.v.kept += count(came == 2)
		}
	}
	if rec.last == nil {
		return rec.v, nil
	}
	find, err := lookupIn(g)
	if err == nil {
		rec.v.idsHeld = held(l.s, rec.last, find)
	}
	return rec.v, err
}

func post(client *http.Client, base string, call int, body []byte) error {
	req, err := http.NewRequest(http.MethodPost, base+"/chat/completions", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer sk-bench")
	req.Header.Set(callHeader, strconv.Itoa(call))
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %.300s", resp.Status, raw)
	}
	return err
}
