package identity

import (
	"github.com/trapgate/trapgate/filters"
	"github.com/trapgate/trapgate/internal/head"
)

// A hint is a header that says something about who an exchange belongs to.
type hint uint8

const (
	authorization hint = iota
	apiKey
	xAPIKey
	userAgent
	retryCount

	// Our own come before all others.
	ownUser
	ownAgent
	ownSession
	ownProgram
	ownClass

	// Codex: a thread is a conversation, a session the whole tree of them. The names with an underscore are older.
	threadID
	conversationID
	sessionID
	sessionIDOld
	codexParent
	// opencode, and whoever else sends a plain session header.
	xSession
	xAffinity
	opencodeSession
	xParent
	// Claude Code: children carry the parent's session id and an agent id of their own.
	claudeSession
	claudeAgent
	claudeParent

	hintCount
)

var hintNames = [hintCount]string{
	"authorization", "api-key", "x-api-key", "user-agent", "x-stainless-retry-count",
	"x-trapgate-user", "x-trapgate-agent", "x-trapgate-session", "x-trapgate-program", "x-trapgate-class",
	"thread-id", "conversation_id", "session-id", "session_id", "x-codex-parent-thread-id",
	"x-session-id", "x-session-affinity", "x-opencode-session", "x-parent-session-id",
	"x-claude-code-session-id", "x-claude-code-agent-id", "x-claude-code-parent-agent-id",
}

// maxHintName is the length of the longest name in hintNames.
const maxHintName = len("x-claude-code-parent-agent-id")

// hintsByLen has the hints whose names have that length: most headers of a request are told off by it.
var hintsByLen = func() (t [maxHintName + 1][]hint) {
	for h, name := range hintNames {
		t[len(name)] = append(t[len(name)], hint(h))
	}
	return t
}()

// hints are the values of the hint headers, nil where absent or empty. They alias the exchange's header block.
type hints [hintCount][]byte

// read takes the hints from the headers in one pass. Of a header that is there twice the first counts.
func (h *hints) read(fields filters.Fields) {
	for i := range fields {
		name := fields[i].Name
		if len(name) > maxHintName {
			continue
		}
		for _, id := range hintsByLen[len(name)] {
			if head.Is(name, hintNames[id]) {
				if h[id] == nil {
					h[id] = present(fields[i].Value)
				}
				break
			}
		}
	}
	if h[authorization] != nil {
		h[authorization] = bearer(h[authorization])
	}
}

// first is the first hint that is there.
func (h *hints) first(ids ...hint) []byte {
	for _, id := range ids {
		if h[id] != nil {
			return h[id]
		}
	}
	return nil
}

// retried reports whether the SDK counts this request as a repetition.
func (h *hints) retried() bool {
	v := h[retryCount]
	return v != nil && string(v) != "0"
}

// A claim is what headers say about session, program and parent; "" where they say nothing.
type claim struct {
	session, program, parent string
	// inherit says that the program is that of the parent session, whatever that is; program is for when it is not known.
	inherit bool
}

// claim reads the table of what the known agents send. Prompt_cache_key is not in it: Codex gives it to all children.
func (h *hints) claim() claim {
	var c claim
	switch {
	case h[claudeSession] != nil:
		c = h.claude()
	case h[threadID] != nil || h[conversationID] != nil || h[sessionID] != nil || h[sessionIDOld] != nil:
		c = h.codex()
	case h[xSession] != nil || h[opencodeSession] != nil || h[xAffinity] != nil:
		c = h.opencode()
	}
	if h[ownSession] != nil {
		own := clean(h[ownSession])
		if c.program == "" {
			c.program = own
		}
		c.session = own
	}
	if h[ownProgram] != nil {
		c.program, c.inherit = clean(h[ownProgram]), false
	}
	if c.parent == c.session {
		c.parent = ""
	}
	return c
}

func (h *hints) claude() claim {
	root := clean(h[claudeSession])
	if h[claudeAgent] == nil {
		return claim{session: root, program: root}
	}
	c := claim{session: join(root, h[claudeAgent]), program: root, parent: root}
	if h[claudeParent] != nil {
		c.parent = join(root, h[claudeParent])
	}
	return c
}

func (h *hints) codex() claim {
	thread := clean(h.first(threadID, conversationID, sessionID, sessionIDOld))
	c := claim{session: thread, program: thread}
	if tree := h.first(sessionID, sessionIDOld); tree != nil {
		c.program = clean(tree)
	}
	if p := h[codexParent]; p != nil {
		c.parent = clean(p)
		c.inherit = h.first(sessionID, sessionIDOld) == nil
	}
	return c
}

func (h *hints) opencode() claim {
	session := clean(h.first(xSession, opencodeSession, xAffinity))
	c := claim{session: session, program: session}
	if p := h[xParent]; p != nil {
		c.parent = clean(p)
		c.program, c.inherit = c.parent, true
	}
	return c
}

// join names a child's session after its root's; the slash belongs to the name and is bounded with it.
func join(root string, id []byte) string {
	b := make([]byte, 0, len(root)+1+len(id))
	b = append(append(append(b, root...), '/'), id...)
	return clean(b)
}
