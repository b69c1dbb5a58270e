package digest

// nordic are Swedish, Danish and Norwegian, whose cue words are nearly the same.
var nordic = language{
	firm: `förbjudet/förbjuden/förbjudna/forbudt/forbudte/obligatoriskt/obligatorisk/oacceptabelt/uacceptabelt
		får/måste/skall/skal/ska/må/får … inte/aldrig/ikke/aldri/inga/ingen/ingenting/bara/endast/kun
		måste
		^aldrig/aldri
		under inga/ingen omständigheter/omstændigheder/omstendigheter
		aldrig/aldri under
		inte/ikke tillåtet/tilladt/tillatt/tillåtna/tilladte
		från och med/nu
		fra og med/nå/nu
		fra nå/nu
		ska/skal/skall/bör alltid/altid/alltid/vara/være/ha/kunna/innehålla/börja/svare/godkännas/godkendes/godkjennes/signeres/signeras/testes/testas/kjøres/køres/inneholde/indeholde/starte
		du skal/ska
		^undvik/undgå/unngå
		^se/sørg til/for at/att
		^sørg/säkerställ
		^håll/hold … hemlig/hemligt/hemmelig/hemmeligt/under/dig/deg/borta/unna/væk
		^ingen/inga/intet … får/må/utan/uten/uden
		^lad/låt/la … vara/være/stå
		uteslutande/utelukkende/udelukkende
		utan/uten/uden mitt/min/tillstånd/tilladelse/tillatelse/godkännande/godkendelse/godkjenning
		regel/regler
		^alla/alle/varje/hver/hvert … måste/skal/ska/må
		må/måtte kun/bare/aldri/aldrig`,
	loose: `^använd/brug/bruk/svara/svar/skriv/radera/slett/slet/ta/ändra/endre/ændr/kör/kjør/kør/fråga/spør/spørg/ring/push/pusha/commit/del/dela/rör/rør/gör/gør/gjør/sett/skicka/send … inte/aldrig/ikke/aldri/alltid/altid/bara/bare/endast/kun/först/først
		^inga/ingen
		^alltid/altid/endast/kun/bara/bare`,
	mine:  "jag jeg vi",
	story: "har hade havde hadde var är er blev ble igår igår han hon hun kan kunde",
	kind:  "snälla vänligen venligst vennligst och og men så også också tack takk tak",
	idle:  "oroa bekymre bekymr problem aning anelse fara fare årsak",
}

var polish = language{
	firm: `zabronione/zabroniony/zabroniona/zakazane/zabrania/zakazuje/obowiązkowe/obowiązkowo/niedopuszczalne/niedozwolone
		nie wolno
		^nie usuwaj/używaj/zmieniaj/dotykaj/kasuj/rób/wysyłaj/pisz/modyfikuj/pushuj/edytuj/twórz/dodawaj/ujawniaj/udostępniaj/uruchamiaj/ruszaj/zapisuj/instaluj/nadpisuj/wypychaj/wdrażaj/podawaj/dzwoń/usuwać/używać/zmieniać/dotykać/usuwajcie/używajcie
		nigdy … nie *aj/*uj/*ij/*ać/*ić/*isz/*ń/*jcie
		nigdy … *ać/*ić
		nie może/mogą/można/należy/powinno/powinny/powinien
		musi/muszą/musisz/powinien/powinna/powinny/powinno/należy
		pod żadnym pozorem/warunkiem
		w żadnym wypadku/razie
		od teraz
		od tej pory
		^unikaj/unikajcie/upewnij/dbaj/przestrzegaj/ogranicz/trzymaj
		^żaden/żadna/żadne/nikt … nie
		^tylko/wyłącznie
		wyłącznie
		bez mojej/mojego/zgody/wcześniejszej/pytania
		zasada/reguła/zasady
		^każdy/każda/każde/wszystkie … musi/muszą/wymaga`,
	loose: `^używaj/odpowiadaj/pisz/pytaj/sprawdzaj/uruchamiaj/testuj/odpowiedz/korzystaj/użyj … tylko/wyłącznie/zawsze/nigdy/najpierw/zanim/jedynie
		^zawsze`,
	mine:  "ja my muszę musimy",
	story: "był była było były jest wczoraj on ona działa mam miałem",
	kind:  "proszę i ale więc też dzięki teraz a oraz pamiętaj",
	idle:  "martw przejmuj",
}

var turkish = language{
	firm: `yasak/yasaktır/yasaklanmıştır/zorunlu/zorunludur/mecburi/şarttır/gerekir/gerekmektedir/gereklidir
		^asla/sakın/kesinlikle
		asla … *me/*ma/*mayın/*meyin/*mayınız/*meyiniz/*mez/*maz
		hiçbir/hiç koşulda/şekilde/zaman/durumda … *me/*ma/*mayın/*meyin/*maz/*mez/*malı/*meli/*mayınız
		hiçbir … *me/*ma/*mayın/*meyin/*maz/*mez/*mamalı/*memeli
		bundan sonra/böyle
		şu andan itibaren
		izin almadan/olmadan
		onay almadan/olmadan
		onayım/iznim olmadan
		izin/izni verilmez/yok/yoktur
		kural/kurallar
		^her … *malı/*meli/*malıdır/*melidir/gerekir/başlamalı
		^tüm/bütün … *malı/*meli/*malıdır/*melidir/gerekir
		^yalnızca/sadece
		silmeden/yapmadan/değiştirmeden/pushlamadan/başlamadan/göndermeden önce
		emoji/sudo … kullanma/kullanmayın/kullanmayınız
		^daima/her/mutlaka zaman/daima/seferinde
		^mutlaka/daima/hep`,
	loose: `testleri/dosyaları/dosya/dosyalara/main/veritabanını/e-posta/branch'e/üretime/anahtarı/dosyalarını/klasörüne/dala/bu/lütfen/ana … silme/silmeyin/dokunma/dokunmayın/değiştirme/değiştirmeyin/kullanma/kullanmayın/gönderme/göndermeyin/paylaşma/paylaşmayın/yapma/yapmayın/pushlama/yazmayın/yazma/silmeyiniz/kullanmayınız
		yanıtlar/cevaplar/testler/commitler/kod/kodlar/mesajlar/dosyalar/yanıtlarınız … *malı/*meli/*malıdır/*melidir/*mamalı/*memeli/*mamalıdır/*memelidir`,
	mine:  "ben biz",
	story: "dün oldu vardı bana",
	kind:  "lütfen ve ama ayrıca teşekkürler şimdi",
	idle:  "endişelenme endişelenmeyin merak",
}

var indonesian = language{
	firm: `dilarang/terlarang/wajib/diwajibkan
		^jangan
		jangan pernah/sekali-kali/sampai
		tidak/tak boleh/diperbolehkan/diizinkan/diperkenankan
		harus/haruslah selalu/berisi/diuji/dijalankan/disetujui/memiliki/menggunakan/pakai/tetap/dalam/ditulis/dimulai/lulus/ditandatangani/diawali/diakhiri/ada/bertanya/minta
		kamu/anda harus
		setiap/semua … harus/wajib/perlu
		hanya boleh/dapat
		^hanya/cukup gunakan/pakai/jawab/boleh/balas
		mulai sekarang
		dalam keadaan apa/apapun
		tanpa izin/persetujuan/konfirmasi
		^hindari/pastikan/patuhi/batasi/rahasiakan
		^jaga … tetap/rahasia
		aturan/peraturan
		^tanya/tanyakan … sebelum/dulu
		^semua/setiap … harus/wajib
		^tidak ada/seorang … boleh/tanpa
		^selalu`,
	loose: `^gunakan/jawab/jawablah/tulis/pakai/balas/tanyakan/jalankan … hanya/selalu/saja/sebelum/dulu
		^hanya`,
	mine:  "saya aku kami",
	story: "sudah telah kemarin dia mereka tadi",
	kind:  "tolong mohon dan tapi tetapi juga terima kasih lalu harap ingat",
	idle:  "khawatir cemas",
}

var vietnamese = language{
	firm: `cấm/nghiêm
		nghiêm cấm
		bị cấm
		bắt buộc
		^đừng/chớ
		đừng bao giờ
		không được/nên phép/xóa/sửa/dùng/thay/push/gửi/chia/sử/đụng/tiết/vượt/chạm/commit/triển/xoá/đẩy/viết/có
		không bao giờ
		^tuyệt đối
		^không dùng/sử/xóa/sửa/chạm/chia/push/viết/thay/gửi
		phải bằng
		tuyệt đối không
		phải luôn/được/có/là/bắt/kèm/ký/qua/chạy/hỏi/viết/trả/dùng/giữ
		luôn luôn
		^luôn
		^hãy luôn/chỉ/tránh/đảm
		chỉ được/dùng/sử/trả/có phép/dùng/sử/python/lời/thể/tiếng/dụng/viết
		^chỉ
		từ bây giờ
		từ nay/giờ
		trong mọi/bất trường/kỳ/cứ
		trừ khi
		^tránh
		^đảm bảo
		^giữ … bí/nguyên/mật
		quy tắc
		mọi/mỗi/tất … phải/cần
		không … khi/nếu chưa`,
	mine:  "tôi mình em",
	story: "qua đã",
	kind:  "xin vui lòng và nhưng cũng hãy làm ơn bạn nhớ cảm",
	idle:  "lo",
}
