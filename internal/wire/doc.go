// Package wire reads what agents and model APIs say to each other, in place.
//
// A View is made of spans into the raw request body: nothing is decoded or marshalled again, so unknown fields, number
// spellings and key order survive because nobody touches them. An edit is a splice (Edits). A Meter reads usage, finish
// reasons and the terminal event from a response as it passes. Errors of our own take the dialect's shape here (Error).
//
// The one rule: bytes that were not spliced leave exactly as they came.
//
// # What is refused
//
// Policy must see what the upstream will see, so a body of a model route that two parsers could read differently is
// refused with 400 (413 for size), in the dialect's error shape, under these codes:
//
//	empty_body          nothing, or white space only
//	byte_order_mark     UTF-8 or UTF-16 byte order mark in front
//	invalid_utf8        any byte that is not UTF-8 (encoded surrogates and overlong forms included), anywhere
//	invalid_json        anything RFC 8259 does not allow: control characters in strings, unknown escapes, NaN, comments,
//	                    trailing commas, a second value behind the first
//	not_an_object       a top-level value other than an object
//	duplicate_key       the same key twice, see below
//	too_deep            more than Limits.Depth levels
//	too_many_elements   more than Limits.Elements messages, blocks, calls and tools
//	body_too_large      more than Limits.Bytes (413)
//
// Two keys are the same when they are equal after decoding escapes and folding case as encoding/json does (the Kelvin sign is
// a k, the long s an s). That is checked where policy reads: the top level; messages and items; content blocks, also
// inside tool results and system; tool calls and their function; declared tools and their function. It is not checked inside
// schemas, arguments, tool inputs, actions, metadata and members the view does not know: they are nobody's business. A
// single key in another spelling ("Model") is read as the plain one, because some upstreams do.
//
// Let through: half of a surrogate pair written as an escape (it decodes to U+FFFD, and agents do send cut emoji), numbers of
// any size, members of unexpected types (the upstream's to refuse; the view shows them as absent or as other), unknown
// roles, item and block types.
//
// Not this package's: a body with Content-Encoding, or one that IsJSON says is no JSON, on a model route is the server's to
// answer (unsupported_encoding, unsupported_media_type: 415), as nothing in it could be seen.
//
// # Reading again from where the last request ended
//
// The next request of a conversation begins with the bytes of the last one. A Prefix keeps the spans of those, and a keyed
// hash; AcquireFrom checks the hash and reads only the rest, with the result of a whole reading. PrefixCache keeps prefixes
// of recent conversations.
//
// # Hashes
//
// MessageHash and Chain hash what messages mean; see hash.go for what counts. They may be stored: a test pins their values.
package wire
