// Package sse splits a byte stream into server-sent events (the WHATWG HTML standard, section 9.2) as a relay needs it:
// every byte comes back, in order, in the Raw of an event or in Rest, and what an event says does not depend on how the
// stream was cut into chunks.
//
// It does what a browser does with line ends (LF, CRLF and CR, also mixed), fields, comments and a byte order mark, and
// differs in one thing: a frame that a browser would drop without a word (comments, stray blank lines) is an event too,
// because a relay has to pass it on.
//
// A frame is given out at its blank line, never later. The one exception: when a line that ended with LF or CRLF is
// followed by a lone CR at the end of a chunk, that is taken for half of a CRLF and its LF is waited for. After a line that
// ended with CR nothing is waited for, and an LF that follows the blank line's CR is a frame of its own, as a stray blank
// line is.
//
// Bytes are not checked for being UTF-8. Nothing is copied while a frame lies in one chunk and has one data line.
package sse
