package decide

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/trapgate/trapgate/memory/record"
)

func prose(n int) string {
	const text = "I moved to Berlin last month and started working at Siemens, so my commute is much longer than before. My sister Anna " +
		"still lives in Hamburg and we talk every Sunday. We use Postgres 16 for the project; the release is on 3 May. Could you look at " +
		"the tests in the storage package? They fail on my machine, but only when the cache is cold, and I do not know why. The important " +
		"thing is that nobody else is blocked by it, in my opinion the key point is the order of the writes.\n"
	return strings.Repeat(text, n/len(text)+1)[:n]
}

// plain is text without facts.
func plain(n int) string {
	const text = "Could you look at the tests in the storage package? They fail on some machines, but only when the cache is cold, and it " +
		"is not clear why. The log shows that the second writer waits for the first one, which has gone already. That should not happen when " +
		"both of them take the lock in the same order, so the order of the writes is the first thing to check.\n"
	return strings.Repeat(text, n/len(text)+1)[:n]
}

// cpu is the time that the process has computed so far: machines are shared.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkDecide(b *testing.B) {
	for _, size := range []struct {
		name, text string
	}{{"200B", prose(200)}, {"2KB", prose(2 << 10)}, {"2KB plain", plain(2 << 10)}, {"1MB", prose(1 << 20)}} {
		b.Run(size.name, func(b *testing.B) {
			d, m := New(Options{}), &Message{Role: record.User, Text: size.text, At: monday}
			d.Decide(m)
			b.ReportAllocs()
			before := cpu(b)
			for b.Loop() {
				d.Decide(m)
			}
			b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}
