//go:build unix

package clients

import (
	"encoding/json"
	"fmt"
	"strings"
)

// finalText has to come in several pieces when it is streamed.
const finalText = "The work is done and the marker holds both lines, so nothing is left to do here"

func newCase(name string) Case {
	id := strings.ReplaceAll(name, "/", "-")
	return Case{Name: name, Marker: "marker-" + id + ".txt", Final: finalText}
}

// toolPrompt makes a task of three tool calls: two in one turn, then one that reads what they wrote.
func toolPrompt(tool string) func(string) Case {
	return func(name string) Case {
		c := newCase(name)
		c.Prompt = "Please write the marker. " + directive(append(markerSteps(tool, "command", c.Marker), "say "+finalText)...)
		return c
	}
}

// handoffPrompt is toolPrompt behind a hand-off to the agent that has the tool.
func handoffPrompt(name string) Case {
	c := newCase(name)
	steps := append([]string{"call transfer_to_worker {}"}, markerSteps("run_shell", "command", c.Marker)...)
	c.Prompt = "Please have the marker written. " + directive(append(steps, "say "+finalText)...)
	return c
}

func markerSteps(tool, argument, marker string) []string {
	return []string{
		call(tool, argument, "echo one >> "+marker) + " & " + call(tool, argument, "echo two >> "+marker),
		call(tool, argument, "cat "+marker),
	}
}

func directive(steps ...string) string { return "[[sim: " + strings.Join(steps, "; ") + "]]" }

func call(tool, argument, value string) string {
	b, err := json.Marshal(value)
	if err != nil {
		panic(err) // a string always marshals
	}
	return fmt.Sprintf("call %s {%q: %s}", tool, argument, b)
}
