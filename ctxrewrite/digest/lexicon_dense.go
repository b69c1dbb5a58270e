package digest

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A denseScript is how rules are worded where words are not divided by blanks, or take endings without number: parts of the
// text are looked for.
type denseScript struct {
	cues    []string
	opening []string // cues at the beginning of a clause only
	not     []string // what only looks like a cue
	mine    []string // the speaker, right before a cue
	kind    []string // polite and linking words before a clause
}

// denseScripts are Chinese, Japanese and Korean.
var denseScripts = []denseScript{
	{
		cues: strings.Fields(`不要 绝不 絕不 切勿 请勿 請勿 勿 禁止 严禁 嚴禁 不得 不许 不許 不准 不可以 不应 不應 不允许 不允許 你不能 您不能
		都不能 必须 必須 务必 務必 一定要 只能 只允许 只允許 只可以 仅限 僅限 仅使用 僅使用 仅用 仅能 仅允许 只使用 只用 我们从不 我們從不 始终 始終 永远不 永遠不 一律 从不
		从现在起 從現在起 从现在开始 從現在開始 今后 今後 以后都 以後都 每次都 都要 应始终 不应该 不應該 应当 應當 须经 需经 不可 避免 请保持 請保持 确保 確保
		总是用 总是使用 請一律 请只 請只 请用中文 規則： 规则：`),
		opening: strings.Fields(`别 別 不能 总是 總是 永远 永遠 只 仅 僅 绝对不 絕對不 千万 千萬 保持`),
		not: strings.Fields(`要不要 不要紧 不要緊 不要担心 不要擔心 不要客气 别担心 別擔心 别客气 别的 別的 别人 別人 别处 特别 分别 区别 类别 级别
		必须品 只是 只有 只好 不得不 不得了 不可思议 不可思議 不可能 不一定要 了不得 今后的事 免不了`),
		mine: strings.Fields("我 我们 我們 他 她 他们 他們 她们"),
		kind: strings.Fields("请 請 也 还 但 但是 而且 并且 所以 然后 记住 注意 你 您"),
	},
	{
		cues: strings.Fields(`ないでください ないで下さい ないでほしい てはいけ ではいけ てはなら ではなら てはだめ ではだめ てはダメ 禁止 厳禁 必ず 絶対に 常に のみを のみで のみ使
		のみと のみ許 だけを使 だけ使 だけで書 だけで答 だけにして しないこと いこと。 ないように 今後は これからは 以後は なければならな なければなりません なければいけ 必須です 必須と
		必要があります べきではな べからず してはならぬ すること。 すること 使わないで 使用不可 不可とし 不可です 避けてください 控えてください お控え 許可されていません 許されません
		許可なく 以外は 以外の人 するな。 ルール： を守って に限る に限り 毎回 決して`),
		opening: strings.Fields("絶対 常時"),
		not: strings.Fields(`心配しないでください 気にしないでください ご心配 のみならず することが することに することも することは することを することで 必ずしも 必要がありません
		することにし`),
		mine: strings.Fields("私は 僕は 俺は 私が 僕が"),
		kind: strings.Fields("また なお そして ただし"),
	},
	{
		cues: strings.Split(`마세요|마십시오|말아|마라|금지|반드시|절대로|절대|해선|해야만|앞으로는|앞으로|지금부터|이제부터|필수입니다|필수다|의무|삼가|`+
			`허용되지|허용하지|규칙:|지 말 것|지 말고|안 됩니다|안 된다|안 돼|안됩니다|해야 합니다|해야 한다|어야 합니다|아야 합니다|여야 합니다|`+
			`전에 항상|로만|만 사용|만 허용|만 쓰|만 써|로만 답|로만 작성|만 가능|지 마|지 않도록|없이는|승인 없이|허락 없이`, "|"),
		opening: strings.Fields("항상 언제나 오직 오로지 매번"),
		not:     strings.Split("걱정하지 마세요|걱정하지 마십시오|걱정하지 마|걱정 마세요|걱정 마|의무실", "|"),
		mine:    strings.Fields("저는 나는 제가 내가 우리는"),
		kind:    strings.Fields("그리고 그래서 단 또한 또"),
	},
}

// dense reports whether text is mostly in a script of denseScripts.
func dense(text string) bool {
	n := 0
	for i := 0; i < len(text); i++ {
		if c := text[i]; c >= 0xE3 && c <= 0xED {
			n++
		}
	}
	return n*6 > len(text)
}

// denseRule says whether a text of such a script states a rule.
func denseRule(text string) rank {
	k := 0
	switch {
	case strings.ContainsFunc(text, func(r rune) bool { return unicode.In(r, unicode.Hangul) }):
		k = 2
	case strings.ContainsFunc(text, func(r rune) bool { return unicode.In(r, unicode.Hiragana, unicode.Katakana) }):
		k = 1
	}
	d := &denseScripts[k]
	for _, no := range d.not {
		text = strings.ReplaceAll(text, no, "＿")
	}
	for _, c := range d.cues {
		if d.finds(text, c, false) {
			return strongRule
		}
	}
	for _, c := range d.opening {
		if d.finds(text, c, true) {
			return strongRule
		}
	}
	return 0
}

// finds reports whether cue c stands in text, not said of the speaker, and perhaps only at the beginning of a clause.
func (d *denseScript) finds(text, c string, opening bool) bool {
	for at := 0; ; {
		i := strings.Index(text[at:], c)
		if i < 0 {
			return false
		}
		before := strings.TrimRight(text[clauseFrom(text[:at+i]):at+i], " ")
		at += i + len(c)
		mine := false
		for _, m := range d.mine {
			k := strings.LastIndex(before, m)
			mine = mine || k >= 0 && len(before)-k-len(m) <= 9
		}
		if !mine && (!opening || d.polite(before)) {
			return true
		}
	}
}

// polite reports whether before is nothing, or polite and linking words.
func (d *denseScript) polite(before string) bool {
	for range 3 {
		for _, k := range d.kind {
			before = strings.TrimSpace(strings.TrimSuffix(before, k))
		}
	}
	return before == ""
}

// clauseFrom is where the last clause of text begins.
func clauseFrom(text string) int {
	i := strings.LastIndexFunc(text, unicode.IsPunct)
	if i < 0 {
		return 0
	}
	_, n := utf8.DecodeRuneInString(text[i:])
	return i + n
}
