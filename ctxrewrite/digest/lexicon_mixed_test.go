package digest

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"
)

// mixedRules and mixedTalk are more of both, of many languages.
const mixedRules = `Die Prod-Datenbank ist tabu.
Fass die Migrationen nicht an.
Ich möchte, dass du immer zuerst fragst.
Kommentare bitte immer auf Englisch.
Wir deployen nie freitags.
Du sollst nicht raten.
Antworte in höchstens fünf Sätzen.
Keine Änderungen ohne meine Freigabe.
Frag mich, bevor du etwas löschst.
Kein sudo.
Halte dich kurz.
Nicht löschen!
Finger weg von der Produktion!
Ne réponds qu'en français.
Toujours demander avant de supprimer.
Pas de sudo.
Les commits doivent être signés.
Je ne veux pas que tu touches à la base.
Interdiction de modifier le schéma.
Demande-moi avant de pousser.
Ne modifiez sous aucun prétexte le fichier.
Pregunta antes de borrar nada.
No se puede modificar la base.
Solo responde en español.
Queda prohibido el uso de sudo.
No quiero que uses sudo.
Ten cuidado de no tocar producción.
Los mensajes tienen que estar en inglés.
Não use sudo em nenhum caso.
Só responda em português.
Todos os commits devem ser assinados.
Não quero que você mexa no banco.
È obbligatorio firmare i commit.
Chiedi sempre prima di cancellare.
Non voglio che tu tocchi il database.
Niente emoji, per favore.
Geen emoji's alstublieft.
Blijf van de productiedatabase af.
Vraag eerst voordat je iets verwijdert.
Gebruik nooit sudo.
Rör inte databasen.
Fråga alltid först.
Inga emojis, tack.
Rør ikke ved databasen.
Spør alltid først.
Nie dotykaj produkcji.
Zawsze pytaj przed usunięciem.
Odpowiedzi muszą być po polsku.
Не удаляйте ничего без спроса.
Всегда спрашивай перед удалением.
Все ответы должны быть на русском.
Спрашивай меня перед каждым деплоем.
Только русский язык.
Без эмодзи.
Не запускай миграции!
Питай мене перед видаленням.
Lütfen veritabanına dokunma.
Silmeden önce her zaman sor.
Sadece Türkçe yanıt ver.
Emoji kullanma.
未经允许不得修改数据库。
请不要使用sudo。
回答必须用中文。
不准碰生产环境
删除之前一定要先问我。
严禁泄露密码。
我们从不在周五部署。
不要使用表情符号！
絵文字は使わないでください。
削除する前に必ず確認してください。
回答は日本語のみでお願いします。
パスワードを絶対に漏らさないこと。
許可なくデプロイしないでください。
이모지를 사용하지 마.
삭제하기 전에 항상 물어보세요.
비밀번호를 절대 공개하지 마십시오.
답변은 한국어로만 해 주세요.
لا تستخدم sudo أبداً.
اسألني قبل حذف أي شيء.
يمنع منعا باتا مشاركة المفتاح.
الرجاء عدم تعديل الملفات.
इमोजी का प्रयोग न करें।
हटाने से पहले हमेशा पूछें।
बिना अनुमति के कुछ भी डिलीट न करें।
पासवर्ड किसी को नहीं बताना है।
Jangan gunakan emoji.
Tanya dulu sebelum menghapus.
Semua jawaban harus dalam bahasa Indonesia.
Không dùng emoji.
Luôn hỏi trước khi xóa.
Câu trả lời phải bằng tiếng Việt.
Không được chạm vào cơ sở dữ liệu.`

const mixedTalk = `Der Kunde hat sich über die Rechnung beschwert.
Nun lies bitte Datei 8 und sag mir, was darin steht.
Die Tests müssen heute irgendwie fehlgeschlagen sein.
Warum ist das nicht erlaubt?
Das ist nicht nur langsam, sondern auch falsch.
Ich habe immer noch denselben Fehler.
Er darf das nicht vergessen haben.
Können Sie mir helfen?
Mach weiter mit der Arbeit an Nummer 4.
Es war noch nie so einfach.
Le client a demandé un remboursement.
Elle ne voulait pas venir.
Continue le travail sur le numéro 4.
Il doit être dans le dossier src.
On ne trouve pas le module.
Pas de problème.
Ce n'est pas grave.
Toujours le même problème.
El cliente pidió un reembolso.
Sigue con el trabajo en el número 4.
No encuentro el módulo.
No funciona.
Siempre pasa lo mismo.
No importa.
O cliente pediu reembolso.
Continue o trabalho no número 4.
Não encontro o módulo.
Não funciona.
Il cliente ha chiesto un rimborso.
Continua il lavoro sul numero 4.
Non trovo il modulo.
Non funziona.
Non importa.
Non vedo il file.
De klant vroeg om terugbetaling.
Ga door met nummer 4.
Ik vind de module niet.
Het werkt niet.
Kunden bad om återbetalning.
Fortsätt med nummer 4.
Det fungerar inte.
Jeg kan ikke finde modulet.
Det virker ikke.
Klient poprosił o zwrot.
Nie działa.
Nie ma problemu.
Nie mogę znaleźć modułu.
Клиент попросил возврат.
Не работает.
Продолжай работу над номером 4.
Я никогда не видел такой ошибки.
Почему нельзя удалить файл?
Только что всё сломалось.
Это не важно.
Müşteri iade istedi.
Çalışmıyor.
Sorun değil.
客户要求退款。
继续处理第四个问题。
没有问题。
这个功能不能用。
只是想看看结果。
他说他不要退款。
我们明天再谈。
服务器总是很慢。
お客様が返金を求めました。
番号4の作業を続けてください。
動きません。
問題ありません。
いつも同じエラーが出ます。
고객이 환불을 요청했습니다.
작동하지 않습니다.
문제없습니다.
4번 작업을 계속해 주세요.
طلب العميل استرداد المبلغ.
لا يعمل البرنامج.
لا مشكلة.
تابع العمل على الرقم 4.
ग्राहक ने धनवापसी मांगी।
यह काम नहीं करता।
कोई बात नहीं।
Pelanggan meminta pengembalian dana.
Tidak berfungsi.
Tidak masalah.
Lanjutkan pekerjaan nomor 4.
Khách hàng yêu cầu hoàn tiền.
Nó không hoạt động.
Không sao.
Tiếp tục công việc số 4.`

func TestMixedLanguages(t *testing.T) {
	for line := range strings.Lines(mixedRules) {
		if got := new(clauseWords).judge([]byte(strings.TrimSpace(line))); got != strongRule {
			t.Errorf("rank %d for the rule %q", got, line)
		}
	}
	all, pinned := 0, 0
	for line := range strings.Lines(mixedTalk) {
		all++
		if got := new(clauseWords).judge([]byte(strings.TrimSpace(line))); got != 0 {
			t.Logf("rank %d for %q", got, line)
			pinned++
		}
	}
	if pinned*10 >= all {
		t.Errorf("%d of %d taken for rules", pinned, all)
	}
}

// A rule is found between other sentences, whether its characters are written as they are or as escapes.
func TestRulesInEscapes(t *testing.T) {
	opt := ForWindow(32768)
	for lang, list := range foreignRules {
		for line := range strings.Lines(list) {
			rule := strings.TrimSpace(line)
			for _, raw := range []string{rule, escapes(rule)} {
				found := false
				for _, r := range Rules([]byte(`Ok 7.\n`+raw+`\nOk 8.`), &opt) {
					found = found || string(r) == raw
				}
				if !found {
					t.Errorf("%s: lost %s", lang, raw)
				}
			}
		}
	}
}

// escapes writes all characters but those of ASCII as \uXXXX.
func escapes(s string) string {
	var b strings.Builder
	for _, c := range utf16.Encode([]rune(s)) {
		if c < 0x80 {
			b.WriteByte(byte(c))
		} else {
			fmt.Fprintf(&b, `\u%04x`, c)
		}
	}
	return b.String()
}
