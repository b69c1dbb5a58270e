package tokens

// blocks are the ranges of runes that are told apart, in order. Those of which sentences were at hand are fitted to these (least squares
// on exact counts, leaning to more), all others to random words of their letters, which is near the most that they can cost.
var blocks = [...]block{
	{0x7f, 1434, 1434},     // bytes that are part of no rune
	{0xa0, 1534, 1534},     // control characters
	{0xbf, 2436, 773},      // Latin-1: marks
	{0xdf, 2404, 1030},     // Latin-1: capitals
	{0xff, 1308, 808},      // Latin-1: small letters
	{0x17f, 1980, 574},     // Latin Extended-A
	{0x24f, 3244, 2181},    // Latin Extended-B
	{0x2af, 6026, 4164},    // IPA
	{0x2ff, 5259, 3988},    // modifier letters
	{0x36f, 9204, 3287},    // combining marks
	{0x3ff, 1157, 829},     // Greek, Coptic
	{0x44f, 1560, 355},     // Cyrillic: the Russian letters
	{0x45f, 1159, 1070},    // those of its neighbours
	{0x52f, 2185, 1964},    // Cyrillic, the rest
	{0x58f, 1784, 572},     // Armenian
	{0x5ff, 2212, 821},     // Hebrew
	{0x660, 1370, 476},     // Arabic
	{0x6ff, 934, 1955},     // Arabic: letters of other languages
	{0x74f, 8875, 4909},    // Syriac
	{0x77f, 9204, 4777},    // Arabic Supplement
	{0x7bf, 9204, 4821},    // Thaana
	{0x7ff, 9204, 4821},    // NKo
	{0x8ff, 9204, 7582},    // Samaritan, Mandaic, Arabic Extended
	{0x97f, 42, 1281},      // Devanagari
	{0x9ff, 2037, 591},     // Bengali
	{0xa7f, 2035, 1631},    // Gurmukhi
	{0xaff, 42, 1264},      // Gujarati
	{0xb7f, 7889, 3199},    // Oriya
	{0xbff, 1794, 608},     // Tamil
	{0xc7f, 1817, 645},     // Telugu
	{0xcff, 1840, 804},     // Kannada
	{0xd7f, 1945, 614},     // Malayalam
	{0xdff, 2058, 1492},    // Sinhala
	{0xe7f, 1723, 973},     // Thai
	{0xeff, 2049, 4132},    // Lao
	{0xfff, 9204, 4733},    // Tibetan
	{0x109f, 1878, 1197},   // Myanmar
	{0x10ff, 2093, 631},    // Georgian
	{0x11ff, 8327, 6486},   // Hangul Jamo
	{0x139f, 2966, 5120},   // Ethiopic
	{0x13ff, 8546, 6486},   // Cherokee
	{0x167f, 8327, 6486},   // Canadian syllabics
	{0x16ff, 7341, 6706},   // Ogham, Runic
	{0x177f, 8327, 6530},   // Philippine scripts
	{0x17ff, 2012, 1408},   // Khmer
	{0x18af, 8656, 6399},   // Mongolian
	{0x1cff, 7779, 6662},   // scripts of South East Asia
	{0x1dff, 6574, 6574},   // phonetic extensions
	{0x1e9f, 4602, 4602},   // Latin Extended Additional
	{0x1eff, 42, 1232},     // and what of it is Vietnamese
	{0x1fff, 9094, 4251},   // Greek Extended
	{0x200a, 3725, 3287},   // spaces
	{0x200f, 524, 836},     // zero-width characters
	{0x206f, 1832, 1498},   // General Punctuation
	{0x20ff, 7779, 3813},   // superscripts, currency
	{0x214f, 5698, 3901},   // letter-like symbols
	{0x218f, 8656, 3462},   // number forms
	{0x21ff, 2480, 1713},   // arrows
	{0x22ff, 3198, 2005},   // mathematics
	{0x23ff, 6311, 6311},   // technical
	{0x24ff, 6092, 6092},   // enclosed letters
	{0x257f, 2331, 808},    // box drawing
	{0x259f, 1661, 1076},   // block elements
	{0x25ff, 4470, 4470},   // geometric shapes
	{0x27bf, 2191, 1506},   // symbols, dingbats
	{0x28ff, 6749, 6749},   // arrows, Braille
	{0x2bff, 6684, 6180},   // more arrows and symbols
	{0x2dff, 6443, 6443},   // Glagolitic to Cyrillic Extended-A
	{0x2fff, 6706, 6706},   // radicals
	{0x303f, 3071, 2047},   // marks of Chinese and Japanese
	{0x309f, 136, 1485},    // Hiragana
	{0x30ff, 1178, 1473},   // Katakana
	{0x33ff, 5259, 5215},   // Bopomofo, enclosed CJK
	{0x4dbf, 9094, 6311},   // Han, extension A
	{0x9fff, 3842, 1358},   // Han
	{0xa4cf, 6530, 6530},   // Yi
	{0xabff, 6574, 6574},   // Lisu to Meetei Mayek
	{0xd7ff, 1680, 1264},   // Hangul
	{0xf8ff, 6574, 6574},   // surrogates, private use
	{0xfaff, 6881, 6881},   // Han, compatibility
	{0xfe2f, 9094, 5303},   // presentation forms
	{0xfe6f, 2962, 2089},   // compatibility forms
	{0xfeff, 5807, 4427},   // Arabic presentation forms
	{0xff0f, 1943, 1400},   // full-width marks
	{0xff1f, 42, 1128},     // full-width digits
	{0xffef, 4383, 4207},   // full-width and half-width letters
	{0xffff, 1841, 1841},   // specials
	{0x1d3ff, 9204, 8941},  // scripts of the first supplementary plane, music
	{0x1d7ff, 9204, 5873},  // mathematical letters
	{0x1efff, 8985, 8459},  // more of those scripts
	{0x1faff, 3547, 2653},  // emoji
	{0x3ffff, 9204, 8941},  // Han, extensions
	{0x10ffff, 9204, 8941}, // all others
}
