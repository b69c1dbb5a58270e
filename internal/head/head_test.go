package head

import (
	"bytes"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     []string // name, value pairs
		bad      bool
	}{
		{"order and case stay", "B: 1\r\na:2\r\nB:3\r\n\r\n", []string{"B", "1", "a", "2", "B", "3"}, false},
		{"white space around values", "A: \t x y \t\r\n", []string{"A", "x y"}, false},
		{"bare LF", "A: 1\nB: 2\n\n", []string{"A", "1", "B", "2"}, false},
		{"empty value", "A:\r\n", []string{"A", ""}, false},
		{"stops at the empty line", "A: 1\r\n\r\nB: 2\r\n", []string{"A", "1"}, false},
		{"folded line", "A: 1\r\n 2\r\n", nil, true},
		{"space before the colon", "A : 1\r\n", nil, true},
		{"no colon", "A\r\n", nil, true},
		{"no name", ": 1\r\n", nil, true},
		{"control byte", "A: 1\x002\r\n", nil, true},
		{"CR inside", "A: 1\r2\r\n", nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(nil, []byte(tt.in))
			if (err != nil) != tt.bad {
				t.Fatalf("error %v, want one: %v", err, tt.bad)
			}
			if tt.bad {
				return
			}
			if len(got)*2 != len(tt.want) {
				t.Fatalf("got %d fields, want %d", len(got), len(tt.want)/2)
			}
			for i, f := range got {
				if string(f.Name) != tt.want[2*i] || string(f.Value) != tt.want[2*i+1] {
					t.Errorf("field %d is %q: %q", i, f.Name, f.Value)
				}
			}
		})
	}
}

func TestGet(t *testing.T) {
	f, err := Parse(nil, []byte("Content-Type: a\r\nx-y: b\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if string(f.Get("content-type")) != "a" || !f.Has("x-y") || f.Has("y") || f.Get("y") != nil {
		t.Error("look-up by lower-case name is wrong")
	}
	if !Same([]byte("X-a"), "x-A") || Same([]byte("x-a"), "x-b") || Same([]byte("x"), "xx") {
		t.Error("Same is wrong")
	}
}

func TestConnection(t *testing.T) {
	for _, tt := range []struct {
		block                 string
		nominates, close, hop bool
	}{
		{"Connection: keep-alive\r\n", false, false, false},
		{"connection: Close\r\n", false, true, false},
		{"Connection: keep-alive, close\r\n", true, true, false},
		{"Connection: keep-alive\r\nConnection: X-Hop\r\n", true, false, true},
		{"A: close\r\n", false, false, false},
	} {
		f, err := Parse(nil, []byte(tt.block))
		if err != nil {
			t.Fatal(err)
		}
		if f.Nominates() != tt.nominates || f.Connection([]byte("close")) != tt.close || f.Connection([]byte("x-hop")) != tt.hop {
			t.Errorf("%q: %v %v %v", tt.block, f.Nominates(), f.Connection([]byte("close")), f.Connection([]byte("x-hop")))
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("A: 1\r\nB: 2\r\n\r\n"))
	f.Fuzz(func(t *testing.T, block []byte) {
		fields, err := Parse(nil, block)
		if err != nil {
			return
		}
		// What was accepted reads the same when it is written again.
		var out []byte
		for _, x := range fields {
			out = append(append(append(append(out, x.Name...), ": "...), x.Value...), "\r\n"...)
		}
		again, err := Parse(nil, out)
		if err != nil || len(again) != len(fields) {
			t.Fatalf("%d fields became %d: %v", len(fields), len(again), err)
		}
		for i := range again {
			if !bytes.Equal(again[i].Name, fields[i].Name) || !bytes.Equal(again[i].Value, fields[i].Value) {
				t.Fatalf("field %d changed", i)
			}
		}
	})
}
