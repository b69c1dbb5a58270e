package digest

// languages are those whose words are divided by blanks.
var languages = append([]language{german, french, spanish, portuguese, italian, dutch, nordic, polish, turkish, indonesian, vietnamese}, otherScripts...)

var german = language{
	firm: `verboten/untersagt/unzulässig/tabu/verpflichtend/obligatorisch/zwingend/unerwünscht
		darf/darfst/dürfen/dürft … nicht/kein/keine/keinen/keinem/keiner/nie/niemals/nur/niemand
		niemand darf
		nur … darf/dürfen
		muss/müssen/musst/müsst
		sollst/sollt/sollen/soll … nicht/kein/keine/keinen/nie/niemals/immer/nur/stets
		kommt nicht in frage
		^niemals
		auf keinen fall
		unter keinen umständen
		in keinem fall
		ab sofort/jetzt
		von nun an
		^künftig
		^lass/lasse/lassen … unverändert/unberührt/unangetastet/ruhe/aus
		^keine/kein/keinen … ohne/bitte/verwenden/benutzen/schreiben/nutzen/im/in/mehr/löschen/ändern
		^stelle/stell/achte/achten/sorge … sicher/darauf/dafür
		^vermeide/vermeiden/unterlasse/unterlassen/verzichte/verzichten
		^halte/halten … an/unter/geheim/dich/sich
		ist/sind nicht erlaubt/gestattet/zulässig/erwünscht
		nicht erlaubt/gestattet/zulässig
		ist/sind einzuhalten/verwenden/zu
		bleibt/bleiben unverändert/geheim/unberührt/leer
		ohne meine/rücksprache/freigabe/zustimmung/genehmigung/ausdrückliche/erlaubnis
		finger weg
		regel/regeln/vorgabe/wichtig/achtung
		bitte immer/nur/nie/niemals/kein/keine/keinen/nicht/stets
		+möchte/will dass … immer/nie/nicht/nur/niemals/kein/keine
		+wir *en nie/niemals
		^frag/frage/fragen … bevor/zuerst
		^antworte/antworten … höchstens/maximal`,
	loose: `nie/niemals … *en
		^lösche/ändere/verwende/benutze/nutze/schreibe/schreib/antworte/pushe/committe/mach/mache/tu/führe/rühre/fass/fasse/gib/sende/schick/schicke/erstelle/sag/speichere/nimm/starte/teste/frag/frage/prüfe … nicht/nie/niemals/kein/keine/keinen/keinerlei/immer/nur/stets/ausschließlich/vorher/zuerst/erst
		^antworten/verwenden/benutzen/nutzen/schreiben/löschen/ändern … sie … nicht/nie/niemals/keine/keinen/kein/immer/nur/stets/ausschließlich
		^nur … *en
		^nur … bitte
		^bitte … nur/nicht/nie/niemals/kein/keine/keinen/immer/stets/ausschließlich/ausschliesslich
		nicht … anfassen/löschen/ändern/verwenden/benutzen/pushen/überschreiben/verändern/committen
		^immer/stets … *en
		^kein/keine/keinen
		ausschließlich/ausschliesslich`,
	mine:  "ich wir",
	story: "hat habe haben hatte hatten war waren ist sind wurde wurden er gestern konnte konnten kann können",
	kind:  "bitte und aber also dann auch danke jetzt übrigens außerdem du sie merke",
	idle:  "sorge sorgen ahnung problem probleme zeit idee frage fragen lust angst",
}

var french = language{
	firm: `interdit/interdite/interdits/interdites/proscrit/prohibé/obligatoire/obligatoires/impératif/impérativement/exclu
		^ne … pas/jamais/plus/rien/aucun/aucune/que/qu
		tu/vous ne dois/devez/peux/pouvez pas/jamais
		ne doit/doivent/dois/devez/peut/peuvent … pas/jamais/que/être
		doit/doivent/devez/dois être/avoir/toujours/contenir/rester/passer/respecter/répondre/utiliser/commencer/se/inclure/demander/comporter
		tu/vous dois/devez
		^il faut
		il faut toujours/que/jamais/absolument/impérativement
		il ne faut
		sous aucun prétexte
		en aucun cas
		^aucun/aucune … ne/sans
		^veille/veillez/assure/assurez
		^évite/évitez/éviter
		^pas de … sans/dans/sur
		^respecte/respectez/limite/limitez/garde/gardez
		^seul/seuls/seule/seules … peut/peuvent/est/sont
		désormais/dorénavant
		à partir de maintenant
		sans mon/ma accord/autorisation/permission/approbation
		règle/règles/consigne/consignes/contrainte
		exclusivement
		interdiction
		demande-moi/demandez-moi avant
		+ne veux/veut pas que
		+ne voulons pas que`,
	loose: `^utilise/utilisez/réponds/répondez/écris/écrivez/fais/faites/demande/demandez/vérifie/vérifiez/emploie/travaille/lance/lancez/exécute/commence/commencez … toujours/uniquement/seulement/systématiquement/exclusivement/jamais/avant/avant/chaque
		^pas de/d
		^uniquement/seulement/jamais/toujours
		merci de … ne/toujours/uniquement
		^répondre/utiliser/écrire … toujours/uniquement/exclusivement
		doit/doivent`,
	mine:  "je nous on",
	story: "a ai avons ont avait était étaient hier il elle je fonctionne",
	kind:  "et mais donc alors aussi merci svp puis surtout stp s'il plaît te vous",
	idle:  "inquiète inquiétez quittez problème problèmes souci soucis panique même chance",
}

var spanish = language{
	firm: `prohibido/prohibida/prohibidos/prohibidas/obligatorio/obligatoria/imprescindible/inaceptable/inadmisible
		^no borres/uses/toques/elimines/modifiques/hagas/digas/cambies/escribas/respondas/envíes/envies/ejecutes/añadas/incluyas/agregues/instales/subas/publiques/compartas/reveles/menciones/utilices/pongas/guardes/muevas/abras/empujes/crees/dejes/llames/rompas/sobrescribas/reescribas/despliegues/olvides/utilice/borre/toque/elimine/modifique/haga/cambie/comparta/revele/mencione/envíe/escriba/utilicen/borren
		no se debe/debes/deben/puede/pueden/permite/permiten
		no debes/debe/deben/deberías/puedes
		debe/debes/deben/deberán/deberá ser/estar/tener/usar/utilizar/siempre/responder/llevar/pasar/incluir/empezar/quedar/contener/pedir/hacer/haber/cumplir
		tienes que siempre/usar/responder
		bajo ninguna circunstancia
		en ningún caso
		de ninguna manera
		a partir de ahora
		de ahora en adelante
		^siempre que
		^evita/evite/eviten/evitar
		^asegúrate/asegúrese/procura/respeta/limita/mantén/mantenga/cíñete
		^ningún/ninguna … puede/debe/sin
		^nadie puede/debe/salvo/excepto
		^solo/sólo/solamente/únicamente … puede/pueden/usa/use/utiliza/utilice/responde/en/con/se/usar
		sin mi/previa permiso/aprobación/autorización/consentimiento
		regla/reglas/norma
		exclusivamente
		queda prohibido/prohibida/terminantemente
		ten/tenga cuidado
		tiene/tienen que ser/estar/tener/usar/llevar/ir/pasar
		+no quiero/queremos que
		hay que … siempre/antes/nunca
		^todo/toda/todos/todas … debe/deben/tiene/tienen/necesita/requiere`,
	loose: `^usa/use/utiliza/utilice/responde/responda/escribe/escriba/contesta/trabaja/emplea/haz/pregunta/comprueba/verifica/ejecuta/pide … solo/sólo/solamente/únicamente/siempre/nunca/exclusivamente/antes
		^siempre
		^nunca/jamás
		no … nunca/jamás`,
	mine:  "yo nosotros",
	story: "he ha han hemos había era estaba ayer fue tengo funciona llega fui estuve",
	kind:  "por favor y pero así también gracias ahora además recuerda usted tú",
	idle:  "preocupes preocupe mismo pasa",
}

var portuguese = language{
	firm: `proibido/proibida/proibidos/proibidas/obrigatório/obrigatória/vedado/inaceitável
		^não/nao apague/use/faça/altere/delete/modifique/exclua/envie/toque/mexa/crie/remova/escreva/responda/mude/execute/publique/compartilhe/revele/mencione/utilize/adicione/inclua/esqueça/instale/sobrescreva/toques/apagues/uses/faças/suba/chame/mostre/diga/quebre/reescreva
		não/nao pode/podem/deve/devem/devemos/é ser/usar/apagar/haver/permitido/alterar/conter/ter/fazer/passar/enviar/mexer/tocar
		você não/nao pode/deve
		deve/devem/deverá ser/estar/ter/usar/sempre/conter/responder/passar/incluir/começar/ficar/permanecer/haver/seguir
		você deve
		em hipótese alguma
		sob nenhuma circunstância
		em nenhum caso
		de forma/maneira alguma/nenhuma
		a partir de agora
		de agora em diante
		^evite/evita/evitar
		^certifique-se/garanta/respeite/mantenha/limite/assegure-se
		^nenhum/nenhuma … pode/deve/sem
		^ninguém pode/deve
		^só/somente/apenas/unicamente … pode/podem/use/utilize/responda/em/com/usar
		sem minha/a minha/prévia permissão/aprovação/autorização/consentimento
		sem a minha
		regra/regras
		exclusivamente
		fica proibido/proibida
		+não/nao quero/queremos que
		^todo/toda/todos/todas … deve/devem/precisa/precisam`,
	loose: `^use/usa/utilize/utiliza/responda/responde/escreva/trabalhe/faça/pergunte/verifique/execute/peça/rode … só/somente/apenas/sempre/nunca/exclusivamente/antes
		^nunca/jamais/sempre`,
	mine:  "eu nós",
	story: "foi era tinha estava ontem tenho fui ele ela funciona chega",
	kind:  "por favor e mas então também obrigado agora lembre-se além disso você",
	idle:  "preocupe preocupes",
}

var italian = language{
	firm: `vietato/vietata/vietati/vietate/proibito/proibita/obbligatorio/obbligatoria/inammissibile/inaccettabile
		^non *are/*ere/*ire/*arlo/*arla/*erlo/*arli/*arci/usate/toccate/cancellate/modificate/usi/tocchi/cancelli/modifichi/usiate/fate
		non si deve/devono/può/possono
		non devi/deve/devono/dovete/puoi/può/possono/potete essere/usare/contenere/avere/toccare/cancellare/modificare/mai/superare/fare
		deve/devono/devi/dovete essere/avere/usare/sempre/contenere/rispondere/restare/rimanere/passare/iniziare/rispettare/includere/chiedere/superare
		non è permesso/consentito/ammesso/accettabile
		in nessun caso
		per nessun motivo
		per nessuna ragione
		in nessuna circostanza
		d ora in poi/avanti
		da ora/adesso in poi/avanti
		^evita/evitate/evitare/evitare/eviti
		^assicurati/rispetta/rispettate/mantieni/limita/limitati/attieniti
		^nessun/nessuno/nessuna … può/deve/senza
		^solo/soltanto/solamente/unicamente … può/possono/usa/usare/in/rispondi/con
		senza la/il/mia/mio mia/mio permesso/approvazione/autorizzazione/consenso
		regola/regole
		^niente
		+non voglio/vogliamo che
		esclusivamente
		^ogni … deve/richiede
		^tutti/tutte … devono`,
	loose: `^usa/usate/utilizza/utilizzate/rispondi/rispondete/scrivi/scrivete/lavora/fai/chiedi/chiedimi/verifica/esegui/controlla … solo/soltanto/sempre/mai/solamente/esclusivamente/unicamente/prima
		^sempre
		^mai
		^non … mai`,
	mine:  "io noi",
	story: "ho ha abbiamo hanno era erano stato stata ieri lui lei funziona sono",
	kind:  "per favore e ma quindi anche grazie ora inoltre ricorda",
	idle:  "problema paura male preoccuparti preoccuparsi preoccupatevi",
}

var dutch = language{
	firm: `verboden/verplicht/ontoelaatbaar
		mag/mogen … niet/geen/nooit/alleen/niemand
		^nooit
		moet/moeten altijd/worden/blijven/zijn/beginnen/een/eerst/in/nooit/ook
		moet/moeten … worden/zijn/hebben/blijven/bevatten/beginnen/slagen/doorstaan
		je moet
		in geen geval
		onder geen beding/enkele/enkel
		vanaf nu
		van nu af
		niet toegestaan
		nooit … verwijderen/gebruiken/pushen/aanpassen/wijzigen/doen/delen
		^zorg/let … dat/dat/op/ervoor
		^vermijd/voorkom/beperk/respecteer
		^blijf … af/binnen/weg/uit
		^houd/hou … geheim/aan/onder
		^geen … zonder/gebruiken/in
		^niemand mag
		uitsluitend
		zonder mijn/voorafgaande/overleg
		regel/regels
		^elke/iedere/alle … moet/moeten/heeft
		^laat … ongemoeid/ongewijzigd/met`,
	loose: `^gebruik/antwoord/schrijf/verwijder/wijzig/push/commit/deel/verander/voer/vraag/raak/maak/doe/test/stuur/pas/werk … nooit/niet/geen/altijd/alleen/uitsluitend/enkel/eerst
		^altijd/alleen/enkel
		^geen
		alleen … antwoorden/gebruiken/werken/schrijven
		^alsjeblieft … niet/nooit/alleen/geen/altijd`,
	mine:  "ik wij we",
	story: "heeft heb hebben had was waren is werd gisteren hij zij kan kon",
	kind:  "alsjeblieft aub en maar dus ook dank graag bedankt verder gelieve",
	idle:  "zorgen probleem idee paniek",
}
