package digest

import (
	"strings"
	"testing"
)

// foreignRules are rules in many wordings, by language.
var foreignRules = map[string]string{
	"en": `Answers longer than 20 lines are unacceptable.
		Every migration needs a rollback script.
		We never deploy on Fridays.
		My policy is that tests come first.
		From now on write tests first.
		Thou shalt not rebase.`,
	"de": `Du darfst keine Dateien löschen.
		Bitte nur auf Deutsch antworten.
		Niemals auf main pushen.
		Es ist verboten, die Datenbank zu ändern.
		Nie wieder sed benutzen.
		Ausschließlich Python verwenden.
		Lösche auf keinen Fall die Tabelle.
		Ab sofort werden alle Commits signiert.
		Jede Antwort muss mit OK-7 beginnen.
		Verwende immer Tabulatoren.
		Bitte keine Emojis.
		Stell sicher, dass der Port 8443 bleibt.
		Die Datei config.toml darf nicht geändert werden.
		Ohne Rücksprache wird nichts gelöscht.
		Antworten Sie stets auf Englisch.`,
	"fr": `Ne jamais supprimer de fichiers.
		Il est interdit de toucher à la prod.
		N'utilise que Python.
		N’utilise pas sudo.
		Ne touche pas au dossier billing.
		Tu dois toujours lancer les tests avant un commit.
		Vous ne devez pas modifier ce fichier.
		En aucun cas le mot de passe ne sera affiché.
		Réponds uniquement en français.
		Désormais, écris les tests d'abord.
		Chaque réponse doit commencer par OK-7.
		Évite les abréviations.
		Veille à ce que le port reste 8443.`,
	"es": `No borres nunca archivos.
		Nunca uses sudo.
		Utiliza solamente Python.
		Está prohibido tocar la base de datos.
		No toques la carpeta de facturación.
		Responde siempre en español.
		A partir de ahora escribe primero las pruebas.
		Bajo ninguna circunstancia compartas la clave.
		Cada respuesta debe empezar con OK-7.
		Por favor, no modifiques config.toml.
		Los commits deben llevar un número de ticket.
		Evita las abreviaturas.`,
	"pt": `Nunca apague os arquivos.
		Não altere o banco de dados.
		É proibido usar sudo.
		Responda sempre em português.
		Use apenas Python.
		A partir de agora, escreva os testes primeiro.
		Você deve rodar os testes antes do commit.
		Em hipótese alguma compartilhe a chave.
		Cada resposta deve começar com OK-7.
		Evite abreviações.`,
	"it": `Non cancellare mai i file.
		È vietato toccare la produzione.
		Usa solo Python.
		Rispondi sempre in italiano.
		Non usare sudo.
		In nessun caso condividere la chiave.
		D'ora in poi scrivi prima i test.
		Ogni risposta deve iniziare con OK-7.
		Non modificare config.toml.
		Evita le abbreviazioni.`,
	"nl": `Verwijder nooit bestanden.
		Je mag geen bestanden verwijderen.
		Het is verboden de database te wijzigen.
		Gebruik alleen Python.
		Antwoord altijd in het Nederlands.
		Vanaf nu schrijf je eerst tests.
		In geen geval de sleutel delen.
		Elke migratie moet een rollback hebben.
		Raak config.toml niet aan.
		Alle commits moeten ondertekend worden.`,
	"sv": `Aldrig ta bort filer.
		Ta aldrig bort filer.
		Du får inte ändra databasen.
		Använd endast Python.
		Svara alltid på svenska.
		Det är förbjudet att röra produktionen.
		Från och med nu skriver du tester först.
		Alla commits måste signeras.
		Under inga omständigheter får nyckeln delas.`,
	"da": `Slet aldrig filer.
		Du må ikke ændre databasen.
		Brug kun Python.
		Svar altid på dansk.
		Det er forbudt at røre produktionen.
		Fra nu af skriver du test først.
		Alle commits skal signeres.`,
	"no": `Slett aldri filer.
		Du må ikke endre databasen.
		Bruk kun Python.
		Svar alltid på norsk.
		Det er forbudt å røre produksjonen.
		Fra nå av skriver du tester først.
		Alle commits skal signeres.`,
	"pl": `Nigdy nie usuwaj plików.
		Nie wolno zmieniać bazy danych.
		Używaj tylko Pythona.
		Odpowiadaj zawsze po polsku.
		Zabronione jest używanie sudo.
		Od teraz najpierw pisz testy.
		Każda migracja musi mieć skrypt wycofania.
		Pod żadnym pozorem nie ujawniaj klucza.
		Nie usuwaj tabeli users.`,
	"ru": `Никогда не пушь в main.
		Нельзя удалять файлы.
		Не трогай базу данных.
		Используй только Python.
		Отвечай всегда по-русски.
		Запрещено использовать sudo.
		Каждый коммит должен быть подписан.
		Ни в коем случае не раскрывай ключ.
		С этого момента сначала пиши тесты.
		НИКОГДА НЕ УДАЛЯЙ ФАЙЛЫ`,
	"uk": `Ніколи не видаляй файли.
		Не можна змінювати базу даних.
		Використовуй лише Python.
		Завжди відповідай українською.
		Заборонено використовувати sudo.
		Кожен коміт має бути підписаний.
		Відтепер спочатку пиши тести.`,
	"tr": `Asla dosya silme.
		Dosyaları silmeyin.
		Yalnızca Python kullan.
		Her zaman Türkçe cevap ver.
		sudo kullanmak yasaktır.
		Bundan sonra önce testleri yaz.
		Her commit imzalanmalı.
		Hiçbir koşulda anahtarı paylaşma.`,
	"zh": `绝不要推送到主分支。
		禁止删除文件。
		只使用Python。
		请始终用中文回答。
		你不能修改数据库。
		每次提交都必须签名。
		从现在起先写测试。
		别碰生产环境。
		任何情况下都不得泄露密钥。
		請勿刪除檔案！`,
	"ja": `本番環境には絶対に触れないでください。
		ファイルを削除しないでください。
		必ずテストを実行してください。
		Pythonのみを使用してください。
		データベースを変更してはいけません。
		今後は先にテストを書いてください。
		回答は常に日本語で書くこと。
		sudoの使用は禁止です。`,
	"ko": `절대로 파일을 삭제하지 마세요.
		데이터베이스를 변경하면 안 됩니다.
		반드시 테스트를 실행하세요.
		Python만 사용하세요.
		항상 한국어로 대답하세요.
		sudo 사용은 금지입니다.
		앞으로는 테스트를 먼저 작성하세요.`,
	"ar": `لا تحذف الملفات أبدا.
		يجب أن تشغل الاختبارات قبل كل حفظ.
		ممنوع استخدام sudo.
		أجب دائما بالعربية.
		استخدم Python فقط.
		من الآن فصاعدا اكتب الاختبارات أولا.
		لا يجوز تعديل قاعدة البيانات.
		لا تلمس مجلد الفواتير.`,
	"hi": `कभी भी फ़ाइलें न हटाएं।
		फ़ाइलें मत हटाओ।
		हमेशा हिंदी में जवाब दें।
		केवल Python का उपयोग करें।
		sudo का उपयोग मना है।
		अब से पहले टेस्ट लिखें।
		आपको डेटाबेस नहीं बदलना चाहिए।`,
	"id": `Jangan pernah menghapus berkas.
		Dilarang memakai sudo.
		Hanya gunakan Python.
		Selalu jawab dalam bahasa Indonesia.
		Anda tidak boleh mengubah basis data.
		Mulai sekarang tulis tes dulu.
		Setiap commit harus ditandatangani.`,
	"vi": `Không bao giờ xóa tệp.
		Đừng sửa cơ sở dữ liệu.
		Chỉ dùng Python.
		Luôn trả lời bằng tiếng Việt.
		Cấm dùng sudo.
		Từ bây giờ hãy viết kiểm thử trước.
		Mọi commit phải được ký.
		Tuyệt đối không chia sẻ khóa.`,
}

// plainTalk are sentences that state no rule, by language.
var plainTalk = map[string]string{
	"en": `We never received the mail.
		The build is now green.
		This delay is unacceptable.
		The report needs a title.
		I read the policy yesterday.`,
	"de": `Das hat noch nie funktioniert.
		Ich muss morgen nach Berlin.
		Kannst du mir die Datei zeigen?
		Der Test läuft immer noch nicht.
		Gestern habe ich den Fehler gefunden.
		Bitte lies die Datei und fasse sie zusammen.
		Danke, das war gut.
		Ich weiß nicht, warum der Server langsam ist.
		Schau dir die Ausgabe an.
		Keine Sorge, das ist schon erledigt.
		Es gibt nur eine Datei im Ordner.`,
	"fr": `Je ne sais pas pourquoi le test échoue.
		Il n'a jamais fonctionné.
		Peux-tu lire ce fichier ?
		Merci, c'était très bien.
		Hier j'ai trouvé l'erreur dans le module.
		Je dois partir demain.
		Ne t'inquiète pas.
		Le serveur est toujours lent.
		Montre-moi le résultat.
		Le fichier n'est pas dans le dossier.`,
	"es": `No sé por qué falla la prueba.
		Nunca he visto este error.
		¿Puedes leer este archivo?
		Gracias, eso estuvo bien.
		Ayer encontré el problema en el módulo.
		El servidor siempre ha sido lento.
		Muéstrame el resultado.
		No te preocupes.
		Tengo dos preguntas sobre el informe.
		No hay archivos en la carpeta.`,
	"pt": `Não sei por que o teste falha.
		Você pode ler este arquivo?
		Obrigado, ficou muito bom.
		Ontem encontrei o erro no módulo.
		O servidor está lento.
		Mostre o resultado.
		Não se preocupe.
		Eu devo viajar amanhã.
		Não tenho os números do relatório.
		Depois olhe o arquivo sete.`,
	"it": `Non so perché il test fallisce.
		Non ho mai visto questo errore.
		Puoi leggere questo file?
		Grazie, va bene così.
		Ieri ho trovato l'errore nel modulo.
		Il server è sempre stato lento.
		Mostrami il risultato.
		Non preoccuparti.
		Devo partire domani.
		Ho due domande sul rapporto.`,
	"nl": `Ik weet niet waarom de test faalt.
		Ik heb deze fout nooit gezien.
		Kun je dit bestand lezen?
		Bedankt, dat was goed.
		Gisteren vond ik de fout in de module.
		Ik moet morgen weg.
		Laat me het resultaat zien.
		De server is nog altijd traag.
		Geen probleem.
		Er is een bestand in de map.`,
	"sv": `Jag vet inte varför testet misslyckas.
		Jag har aldrig sett det här felet.
		Kan du läsa filen?
		Tack, det var bra.
		Igår hittade jag felet i modulen.
		Servern är långsam.
		Visa mig resultatet.
		Jag måste resa i morgon.
		Det finns bara en fil i mappen.
		Oroa dig inte.`,
	"pl": `Nie wiem, dlaczego test się nie udaje.
		Nigdy nie widziałem tego błędu.
		Czy możesz przeczytać ten plik?
		Dziękuję, było dobrze.
		Wczoraj znalazłem błąd w module.
		Serwer jest wolny.
		Pokaż mi wynik.
		Muszę jutro wyjechać.
		Nie martw się.
		W folderze jest plik.`,
	"ru": `Я не знаю, почему тест падает.
		Ты можешь прочитать этот файл?
		Спасибо, всё было хорошо.
		Вчера я нашёл ошибку в модуле.
		Сервер работает медленно.
		Покажи мне результат.
		Я должен завтра уехать.
		Не волнуйся.
		В папке есть файл.
		Потом посмотри файл номер семь.`,
	"uk": `Я не знаю, чому тест падає.
		Чи можеш прочитати цей файл?
		Дякую, було добре.
		Вчора я знайшов помилку в модулі.
		Сервер працює повільно.
		Покажи мені результат.`,
	"tr": `Testin neden başarısız olduğunu bilmiyorum.
		Bu dosyayı okur musun?
		Teşekkürler, iyi oldu.
		Dün modülde hatayı buldum.
		Sunucu yavaş çalışıyor.
		Bana sonucu göster.
		Yarın gitmem lazım.
		Merak etme.`,
	"zh": `我不知道测试为什么失败。
		你能读一下这个文件吗？
		谢谢，做得很好。
		昨天我在模块里发现了错误。
		服务器很慢。
		请给我看结果。
		我不能登录。
		不要担心。
		我必须明天走。
		这个问题特别奇怪。
		还有别的办法。`,
	"ja": `テストが失敗する理由が分かりません。
		このファイルを読んでください。
		ありがとう、よかったです。
		昨日モジュールで間違いを見つけました。
		サーバーが遅いです。
		結果を見せてください。
		心配しないでください。
		フォルダーにファイルがあります。
		次にファイル7を調べてください。
		会議は三時からです。`,
	"ko": `테스트가 왜 실패하는지 모르겠습니다.
		이 파일을 읽어 주세요.
		감사합니다, 좋았습니다.
		어제 모듈에서 오류를 찾았습니다.
		서버가 느립니다.
		결과를 보여 주세요.
		걱정하지 마세요.`,
	"ar": `لا أعرف لماذا يفشل الاختبار.
		هل يمكنك قراءة هذا الملف؟
		شكرا، كان ذلك جيدا.
		أمس وجدت الخطأ في الوحدة.
		الخادم بطيء.
		أرني النتيجة.
		لا تقلق.
		لا توجد ملفات في المجلد.`,
	"hi": `मुझे नहीं पता कि टेस्ट क्यों विफल होता है।
		क्या आप यह फ़ाइल पढ़ सकते हैं?
		धन्यवाद, यह अच्छा था।
		कल मुझे मॉड्यूल में गलती मिली।
		सर्वर धीमा है।
		मुझे परिणाम दिखाइए।
		चिंता मत करो।`,
	"id": `Saya tidak tahu mengapa tes gagal.
		Bisakah kamu membaca berkas ini?
		Terima kasih, itu bagus.
		Kemarin saya menemukan kesalahan di modul.
		Server lambat.
		Tunjukkan hasilnya.
		Jangan khawatir.
		Saya harus pergi besok.`,
	"vi": `Tôi không biết vì sao kiểm thử thất bại.
		Bạn có thể đọc tệp này không?
		Cảm ơn, tốt lắm.
		Hôm qua tôi tìm thấy lỗi trong mô-đun.
		Máy chủ chậm.
		Cho tôi xem kết quả.
		Đừng lo.`,
}

func TestRulesOfManyLanguages(t *testing.T) {
	for lang, list := range foreignRules {
		n := 0
		for line := range strings.Lines(list) {
			n++
			line = strings.TrimSpace(line)
			if got := new(clauseWords).judge([]byte(line)); got != strongRule {
				t.Errorf("%s: rank %d for the rule %q", lang, got, line)
			}
		}
		if n < 6 {
			t.Errorf("%s: %d rules", lang, n)
		}
	}
}

// Fewer than one in ten sentences that state no rule are taken for one.
func TestPlainTalkOfManyLanguages(t *testing.T) {
	all, pinned := 0, 0
	for lang, list := range plainTalk {
		for line := range strings.Lines(list) {
			line = strings.TrimSpace(line)
			all++
			if got := new(clauseWords).judge([]byte(line)); got != 0 {
				t.Logf("%s: rank %d for %q", lang, got, line)
				pinned++
			}
		}
	}
	t.Logf("%d of %d taken for rules", pinned, all)
	if pinned*10 >= all {
		t.Errorf("%d of %d taken for rules", pinned, all)
	}
}
