package decide

import (
	"strings"
	"testing"

	"github.com/trapgate/trapgate/memory/record"
)

func prose(n int) string {
	const text = "I moved to Berlin last month and started working at Siemens, so my commute is much longer than before. My sister Anna " +
		"still lives in Hamburg and we talk every Sunday. We use Postgres 16 for the project; the release is on 3 May. Could you look at " +
		"the tests in the storage package? They fail on my machine, but only when the cache is cold, and I do not know why. The important " +
		"thing is that nobody else is blocked by it, in my opinion the key point is the order of the writes.\n"
	return strings.Repeat(text, n/len(text)+1)[:n]
}

func BenchmarkDecide(b *testing.B) {
	for _, size := range []struct {
		name string
		n    int
	}{{"200B", 200}, {"2KB", 2 << 10}, {"1MB", 1 << 20}} {
		b.Run(size.name, func(b *testing.B) {
			d, m := New(Options{}), &Message{Role: record.User, Text: prose(size.n), At: monday}
			d.Decide(m)
			b.ReportAllocs()
			for b.Loop() {
				d.Decide(m)
			}
		})
	}
}
