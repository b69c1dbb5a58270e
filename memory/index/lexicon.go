package index

import "strings"

// stops are words that say nothing of what a text is about.
var stops = set(`
a an the and or but if then than so as of at by for with about into onto to from in on off over under up down out is am are was
were be been being do does did done doing have has had having will would shall should can could may might must i me my mine
myself we us our ours ourselves you your yours yourself he him his himself she her hers herself it its itself they them their
theirs themselves this that these those there here what which who whom whose when where why how not no nor too very just also
only even such own same both each few more most other some any all i'm i've i'd i'll you're you've you'd you'll he's she's it's
we're we've we'd we'll they're they've they'd they'll that's there's isn't aren't wasn't weren't don't doesn't didn't haven't
hasn't hadn't won't wouldn't can't couldn't shouldn't let's s t im ive ill id youre youve theyre thats dont doesnt didnt cant
wont isnt because while during again further once until kind type sort much many lot`)

// irregular are forms of words whose base a stemmer does not find.
var irregular = pairs(`
went gone goes:go bought:buy brought:bring thought:think taught:teach caught:catch fought:fight sought:seek made:make took
taken:take gave given:give got gotten:get came:come became:become ran:run saw seen:see knew known:know grew grown:grow drew
drawn:draw threw thrown:throw flew flown:fly wrote written:write rode ridden:ride drove driven:drive spoke spoken:speak broke
broken:break chose chosen:choose woke woken:wake stole stolen:steal froze frozen:freeze wore worn:wear tore torn:tear swore
sworn:swear ate eaten:eat fell fallen:fall began begun:begin sang sung:sing swam swum:swim drank drunk:drink rang rung:ring sank
sunk:sink won:win met:meet led:lead fed:feed read:read held:hold told:tell sold:sell found:find built:build sent:send
spent:spend lent:lend lost:lose left:leave kept:keep slept:sleep felt:feel dealt:deal meant:mean dreamt:dream learnt:learn
heard:hear said:say paid:pay laid:lay stood:stand understood:understand sat:sit hung:hang stuck:stick struck:strike shot:shoot
hid hidden:hide bit bitten:bite slid:slide dug:dig spun:spin forgot forgotten:forget forgave forgiven:forgive rose risen:rise
shook shaken:shake hurt:hurt beat beaten:beat children child kids kid:child women:woman men:man people:person mice:mouse
feet:foot teeth:tooth geese:goose lives:life wives:wife knives:knife leaves:leaf halves:half wolves:wolf shelves:shelf
loaves:loaf thieves:thief better best:good worse worst:bad mom mum mommy mama:mother dad daddy papa:father grandma
granny:grandmother grandpa:grandfather gonna:go wanna:want gotta:get bday:birthday pic pics photo photos picture
pictures:picture tv:television fam:family vacay:vacation info:information meds:medicine fave favs favourite:favorite
colour:color neighbour:neighbor theatre:theater centre:center fridge:refrigerator bike bikes:bicycle phone:telephone ad
ads:advertisement pup pups puppy puppies:puppy one:1 two:2 three:3 four:4 five:5 six:6 seven:7 eight:8 nine:9 ten:10 eleven:11
twelve:12 thirteen:13 fourteen:14 fifteen:15 twenty:20 thirty:30 forty:40 fifty:50 hundred:100 first:1st second:2nd third:3rd
twice:2 once:1`)

func set(list string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(list) {
		m[w] = true
	}
	return m
}

// pairs reads "form form:base form:base".
func pairs(list string) map[string]string {
	m := map[string]string{}
	var forms []string
	for _, w := range strings.Fields(list) {
		form, base, last := strings.Cut(w, ":")
		forms = append(forms, form)
		if last {
			for _, f := range forms {
				if f != base {
					m[f] = base
				}
			}
			forms = forms[:0]
		}
	}
	return m
}
