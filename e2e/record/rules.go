package record

import "strings"

// Rules are the differences that a proxy may make. Everything else is a difference that Compare reports. Field names in
// rules are lower case; they match in any case.
type Rules struct {
	// HopByHop leaves out the fields that belong to one connection (RFC 9110, 7.6.1): Connection and what it names,
	// Keep-Alive, Proxy-Connection, TE, Trailer, Transfer-Encoding, Upgrade.
	HopByHop bool
	// Replaced are request fields whose value may differ when they are present before the proxy, in the same place. A
	// non-empty value is what must stand there behind it. They are never added.
	Replaced map[string]string
	// RemovedPrefix names the request fields that must not be there behind the proxy, by prefix.
	RemovedPrefix string
	// Added are response fields that the proxy adds of its own. They must be there, and must not replace the upstream's.
	Added []string
}

// Trapgate are the differences that Trapgate makes with every piece off.
func Trapgate() Rules {
	return Rules{
		HopByHop:      true,
		Replaced:      map[string]string{"host": "", "accept-encoding": "identity", "traceparent": ""},
		RemovedPrefix: "x-trapgate-",
		Added:         []string{"server-timing", "x-trapgate-request-id"},
	}
}

// Relay are the differences that a plain relay of TCP bytes makes: none.
func Relay() Rules { return Rules{} }

var hopByHop = map[string]bool{
	"connection": true, "keep-alive": true, "proxy-connection": true, "te": true, "trailer": true,
	"transfer-encoding": true, "upgrade": true,
}

// endToEnd returns the fields that are not bound to one connection.
func (r Rules) endToEnd(f Fields) Fields {
	if !r.HopByHop {
		return f
	}
	named := map[string]bool{}
	for _, x := range f {
		if strings.EqualFold(x.Name, "connection") {
			for _, n := range strings.Split(x.Value, ",") {
				named[strings.ToLower(strings.TrimSpace(n))] = true
			}
		}
	}
	var out Fields
	for _, x := range f {
		if n := strings.ToLower(x.Name); !hopByHop[n] && !named[n] {
			out = append(out, x)
		}
	}
	return out
}

// requestBehind returns the fields that must stand behind the proxy, and those that do. A value that may be anything is
// made equal on both sides.
func (r Rules) requestBehind(before, behind Message) (want, got Fields) {
	got = append(got, r.endToEnd(behind.Fields)...)
	for _, f := range r.endToEnd(before.Fields) {
		n := strings.ToLower(f.Name)
		if r.RemovedPrefix != "" && strings.HasPrefix(n, r.RemovedPrefix) {
			continue
		}
		if must, ok := r.Replaced[n]; ok {
			f.Value = must
			if must == "" {
				f.Value = anyValue
			}
		}
		want = append(want, f)
	}
	for i, f := range got {
		if must, ok := r.Replaced[strings.ToLower(f.Name)]; ok && must == "" {
			got[i].Value = anyValue
		}
	}
	return want, got
}

const anyValue = "(any)"

// responseBefore returns the fields that the agent must see, those that it saw, and the added ones that are missing.
func (r Rules) responseBefore(before, behind Message) (want, got Fields, missing []string) {
	want = r.endToEnd(behind.Fields)
	theirs := map[Field]int{}
	for _, f := range want {
		theirs[Field{strings.ToLower(f.Name), f.Value}]++
	}
	added := map[string]bool{}
	for _, f := range r.endToEnd(before.Fields) {
		key := Field{strings.ToLower(f.Name), f.Value}
		if contains(r.Added, key.Name) && theirs[key] == 0 {
			added[key.Name] = true
			continue
		}
		theirs[key]--
		got = append(got, f)
	}
	for _, n := range r.Added {
		if !added[n] {
			missing = append(missing, n)
		}
	}
	return want, got, missing
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
