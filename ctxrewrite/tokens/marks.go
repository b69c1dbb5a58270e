package tokens

import "strings"

// marks are ASCII's; those of joined are bits and places by this order.
const marks = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

// joined has, for each mark, those that may follow it within one token of o200k. Frequent pairs are joined, so others seldom stand in
// code or prose, and the fit says little of them.
var joined = [len(marks)]uint32{
	0x01d4fbc3, 0x7ddbffff, 0x1040ec0f, 0x1480e888, 0x02a539d3, 0x040009a4, 0x57dfffde, 0xbef3f7ff,
	0x7fdfffff, 0x04ecfbab, 0x01c4fdce, 0x16e2ffff, 0x34cc7bfa, 0xbff7ffff, 0x97fefffe, 0x1ff6fffe,
	0x40837dfa, 0x145e50ed, 0x5cfef2ff, 0x79fffbfe, 0x24daf9cf, 0x00e0808a, 0x1fe0dade, 0x00c2f8ca,
	0x77dffff3, 0x12c03180, 0x37c7fbda, 0x4981a900, 0x70a0d05a, 0x208010c2, 0x7dfffdfb, 0x80045800,
}

// leastApart is what a mark weighs at least, in units of 1/tableUnit token, behind one that it is not joined with: by random marks.
const leastApart = tableUnit * 4 / 5

// apart says that two bytes are marks that are never in one token.
func apart(before, b byte) bool {
	i, j := strings.IndexByte(marks, before), strings.IndexByte(marks, b)
	return i >= 0 && j >= 0 && joined[i]>>j&1 == 0
}
