package identity

import (
	"bytes"

	"github.com/tidwall/gjson"

	"github.com/trapgate/trapgate/internal/wire"
)

// maxUserField bounds what is read of a user field, in bytes; the rest of a longer one only counts for its hash.
const maxUserField = 4 << 10

// bodyUser reads who the user is from the body. Claude Code writes more into that field: the session, as JSON in a string or,
// in older versions, in one word. root is that session, "" when there is none.
func bodyUser(v *wire.View) (user, root string) {
	raw := v.UserField.Of(v.Body)
	if len(raw) < 3 {
		return "", ""
	}
	field := wire.Unquote(nil, raw)
	if v.Dialect != wire.Messages || len(field) > maxUserField {
		return cleanField(field), ""
	}
	if field[0] == '{' && gjson.ValidBytes(field) {
		return jsonUser(field)
	}
	if i := bytes.LastIndex(field, []byte("_session_")); i >= 0 {
		return cleanField(field[:i]), cleanField(field[i+len("_session_"):])
	}
	return cleanField(field), ""
}

func jsonUser(field []byte) (user, root string) {
	for _, key := range [...]string{"account_uuid", "user_id", "device_id"} {
		if r := gjson.GetBytes(field, key); r.Type == gjson.String && r.Str != "" {
			user = cleanField([]byte(r.Str))
			break
		}
	}
	if r := gjson.GetBytes(field, "session_id"); r.Type == gjson.String {
		root = cleanField([]byte(r.Str))
	}
	return user, root
}

func cleanField(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return clean(b)
}
