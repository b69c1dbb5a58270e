// Command rulegen writes secrets/gitleaks.json from the rules that a release of gitleaks ships (config/gitleaks.toml, MIT). They are
// taken over as data, because to import the package that embeds them costs every process 3 MB of binary and 4 MB of memory.
//
//	go run ./memory/decide/rulegen v8.30.1
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

const module = "github.com/zricethezav/gitleaks/v8"

// An allow and a rule are written as package decide reads them.
type allow struct {
	Target    string   `json:"target,omitempty"`
	Regexes   []string `json:"regexes,omitempty"`
	Stopwords []string `json:"stopwords,omitempty"`
}

type rule struct {
	ID       string   `json:"id"`
	Regex    string   `json:"regex"`
	Entropy  float64  `json:"entropy,omitempty"`
	Group    int      `json:"group,omitempty"`
	Keywords []string `json:"keywords"`
	Allow    []allow  `json:"allow,omitempty"`
}

type file struct {
	Source string `json:"source"`
	Allow  allow  `json:"allow"`
	Rules  []rule `json:"rules"`
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./memory/decide/rulegen VERSION")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "rulegen:", err)
		os.Exit(1)
	}
}

func run(version string) error {
	cmd := exec.Command("go", "mod", "download", "-json", module+"@"+version)
	cmd.Dir = os.TempDir() // outside of any module: no go.sum is changed; the checksum database vouches for it
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("download %s: %w", module, err)
	}
	var where struct{ Dir string }
	if err := json.Unmarshal(out, &where); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(where.Dir, "config", "gitleaks.toml"))
	if err != nil {
		return err
	}
	license, err := os.ReadFile(filepath.Join(where.Dir, "LICENSE"))
	if err != nil {
		return err
	}
	f, err := read(string(text))
	if err != nil {
		return err
	}
	f.Source = module + " " + version + ", MIT"
	dir := filepath.Join("memory", "decide", "secrets")
	if err := os.WriteFile(filepath.Join(dir, "LICENSE.gitleaks"), license, 0o644); err != nil {
		return err
	}
	b, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "gitleaks.json"), append(b, '\n'), 0o644)
}

// read reads the part of TOML in which the file is written: tables, strings in one or three quotes, numbers, arrays of strings.
func read(text string) (*file, error) {
	f := &file{}
	at := &f.Allow
	var r *rule
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		switch {
		case line == "" || line[0] == '#':
			continue
		case line == "[[rules]]":
			f.Rules = append(f.Rules, rule{})
			r, at = &f.Rules[len(f.Rules)-1], nil
			continue
		case line == "[[rules.allowlists]]":
			r.Allow = append(r.Allow, allow{})
			at = &r.Allow[len(r.Allow)-1]
			continue
		case line[0] == '[':
			continue
		}
		key, value, ok := strings.Cut(line, " = ")
		if !ok {
			return nil, fmt.Errorf("line %d: %q", i+1, line)
		}
		if value[0] == '[' {
			for !strings.HasSuffix(value, "]") || strings.HasSuffix(value, "[^]]") {
				i++
				value += "\n" + strings.TrimSpace(lines[i])
			}
		}
		if err := set(key, value, r, at); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return f, nil
}

func set(key, value string, r *rule, at *allow) (err error) {
	switch {
	case at != nil && key == "regexes":
		at.Regexes = list(value)
	case at != nil && key == "stopwords":
		at.Stopwords = list(value)
	case at != nil && key == "regexTarget":
		at.Target = list(value)[0]
	case r == nil || at != nil: // paths, titles, conditions: of files
	case key == "id":
		r.ID = list(value)[0]
	case key == "regex":
		r.Regex = list(value)[0]
	case key == "keywords":
		r.Keywords = list(value)
	case key == "entropy":
		r.Entropy, err = strconv.ParseFloat(value, 64)
	case key == "secretGroup":
		r.Group, err = strconv.Atoi(value)
	}
	return err
}

// list returns the strings of a value.
func list(value string) (out []string) {
	for value != "" {
		i := strings.IndexAny(value, `'"`)
		if i < 0 {
			return out
		}
		quote := value[i : i+1]
		if strings.HasPrefix(value[i:], `'''`) {
			quote = `'''`
		}
		value = value[i+len(quote):]
		end := strings.Index(value, quote)
		if end < 0 {
			return out
		}
		out = append(out, value[:end])
		value = value[end+len(quote):]
	}
	return out
}
