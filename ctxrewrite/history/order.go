package history

import "github.com/trapgate/trapgate/internal/wire"

// A voice is who a message counts for in the rules on order.
type voice uint8

const (
	silent voice = iota // reasoning, tools, unknown: no matter
	systemVoice
	userVoice
	answerVoice // the assistant without calls
	callVoice
	resultVoice
)

func (c *checker) voice(m *wire.Message) voice {
	switch {
	case m.Result.To > m.Result.From:
		return resultVoice
	case m.Call.To > m.Call.From:
		return callVoice
	case m.Kind != wire.Msg:
		return silent
	}
	switch m.Role {
	case wire.System, wire.Developer:
		return systemVoice
	case wire.User:
		return userVoice
	case wire.Assistant:
		return answerVoice
	}
	return silent
}

// order checks who speaks when.
func (c *checker) order() {
	var prev, talk voice // of the message before; of the last one that is no system message
	systems := 0
	if c.v.Dialect != wire.Chat && !c.v.System.Empty() && string(c.v.Raw(c.v.System)) != "null" {
		systems = 1
	}
	last := 0
	for i := range c.v.Msgs {
		now := c.voice(&c.v.Msgs[i])
		if now == silent {
			continue
		}
		if c.p.AssistantAfterResult && prev == resultVoice && (now == userVoice || now == systemVoice) {
			c.fault(i, AfterResult)
		}
		if now == systemVoice {
			systems++
			c.system(i, systems, prev, talk)
		} else {
			c.turn(i, now, talk)
			talk, last = now, i
		}
		prev = now
	}
	if c.p.LastUser && talk == answerVoice {
		c.fault(last, LastRole)
	}
}

// system checks the nth system message, behind prev; talk is silent when it stands in front.
func (c *checker) system(i, n int, prev, talk voice) {
	if c.p.OneSystem && n > 1 {
		c.fault(i, SecondSystem)
	}
	switch {
	case c.p.NoSystem && c.v.Dialect == wire.Messages,
		c.p.SystemFirst && talk != silent,
		c.p.NoSystemAfterAssistant && (prev == answerVoice || prev == callVoice):
		c.fault(i, SystemPlace)
	}
}

// turn checks a message that follows talk.
func (c *checker) turn(i int, now, talk voice) {
	if c.p.FirstUser && talk == silent && now != userVoice {
		c.fault(i, FirstRole)
	}
	if c.p.Alternate && now == talk && (now == userVoice || now == answerVoice) {
		c.fault(i, SameRole)
	}
	if c.p.CallAfterUser && now == callVoice && talk != userVoice && talk != resultVoice && !c.joined() {
		c.fault(i, CallPlace)
	}
}

// joined reports whether what the model said in one turn stands in several messages: they count as one.
func (c *checker) joined() bool { return c.v.Dialect != wire.Chat }
