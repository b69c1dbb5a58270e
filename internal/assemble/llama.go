package assemble

// What llama.cpp's server says in an answer and not in its streams, found by comparing both. It is told by the marks that it
// alone leaves.

// isLlama reports whether a fingerprint is llama.cpp's: b, the build number, a dash and the commit.
func isLlama(fingerprint *node) bool {
	if fingerprint == nil {
		return false
	}
	return llamaBuild(unquoted(fingerprint.buf))
}

func llamaBuild(b []byte) bool {
	if len(b) < 3 || b[0] != 'b' {
		return false
	}
	i := 1
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	return i > 1 && i < len(b) && b[i] == '-'
}

// llamaCompleted adds completed_at to the response of a completed event: llama.cpp's unary answer has it, with the same
// value as created_at. The mark is the timings that it puts beside the response.
func llamaCompleted(response, timings []byte) []byte {
	t, r := scanner{b: timings}, scanner{b: response}
	if t.peek() != '{' || t.find("predicted_n") == nil || r.peek() != '{' || r.find("completed_at") != nil {
		return response
	}
	created := r.find("created_at")
	if created == nil {
		return response
	}
	out := append([]byte(`{"completed_at":`), created...)
	return append(append(out, ','), response[1:]...)
}
