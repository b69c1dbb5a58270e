package index

import (
	"slices"
	"strings"
	"sync"
)

// A meant is a term that a word of a question may stand for, and how well.
type meant struct {
	term string
	how  float32
}

// How well words stand for each other.
const (
	sameMeaning = 1  // they say the same
	aKindOf     = .6 // the question names a class, the text one of it
)

// meanings are by term.
var meanings = sync.OnceValue(func() map[string][]meant {
	m := map[string][]meant{}
	add := func(from, to string, how float32) {
		from, to = stem(from), stem(to)
		if from == "" || to == "" || from == to || slices.ContainsFunc(m[from], func(x meant) bool { return x.term == to }) {
			return
		}
		m[from] = append(m[from], meant{to, how})
	}
	for line := range strings.Lines(synonyms) {
		words := strings.Fields(line)
		for _, a := range words {
			for _, b := range words {
				add(a, b, sameMeaning)
			}
		}
	}
	for line := range strings.Lines(kinds) {
		names, members, _ := strings.Cut(line, ":")
		for _, n := range strings.Fields(names) {
			for _, w := range strings.Fields(members) {
				add(n, w, aKindOf)
			}
		}
	}
	return m
})

// synonyms are words of one meaning, a line each.
const synonyms = `job work career profession occupation employment
start begin launch kick
finish complete end
buy purchase get shop
big large huge
small little tiny
happy glad joyful excited thrilled
sad unhappy upset down
afraid scared fear
angry mad annoyed frustrated
tired exhausted
sick ill
doctor physician
hospital clinic
injury injured hurt accident wound
car vehicle automobile drive
house home place apartment live
move relocate moved
city town
country nation abroad
trip travel vacation journey visit tour getaway
visit see went
road drive roadtrip
child son daughter baby toddler
parent mother father
spouse husband wife partner
marry marriage wedding wed married engaged bride groom
divorce breakup separated split
date relationship girlfriend boyfriend
friend buddy pal
family relative
sibling brother sister
grandparent grandmother grandfather
pet dog cat
puppy dog
kitten cat
cook cooking recipe bake dish meal
food meal dish snack
eat dinner lunch breakfast
diet healthy nutrition eat
exercise workout gym fitness training
health healthy wellness
hobby pastime interest passion
enjoy love like
love adore favorite
favorite love best prefer
dislike hate
film movie
show series
book novel read story
author writer
write writing journal blog
song music tune
band concert gig
concert show festival perform
play game
team club squad
win award prize trophy champion
award medal prize recognition honor
compete competition tournament contest match
race marathon run
school college university class
study learn course class
teacher instructor coach mentor
graduate graduation degree
exam test
major degree field
company business firm startup
shop store
boss manager
colleague coworker teammate
fire layoff lost
quit leave left resign
promotion promoted
salary pay money
finance money financial
donate donation charity fundraiser raise
volunteer help charity shelter
community group
support help encourage
advice suggestion tip recommend
suggest recommend
goal dream aspiration plan hope
plan going intend
dream hope want wish
problem issue trouble challenge
challenge difficult hard tough struggle
setback struggle difficult
solve fix resolve
repair fix
error bug failure
create make made build
painting paint art draw artwork
artist painter
photo picture photography camera image
draw sketch
craft handmade diy
gift present
receive get got given
give gave gift
party celebration celebrate
event occasion
holiday vacation christmas
birthday born age
old age
name call named
speak talk say
tell told share
discuss talk chat
meet met
invite invitation
attend go went join
join participate
participate join part
inspire motivate inspired inspiration motivation
motivation inspire reason
reason because why
feel feeling emotion
relax calm unwind peaceful destress
stress anxiety pressure
stressful tough
meditation yoga mindfulness
religion faith church spiritual
belief faith
politics political office campaign
military army service veteran
nature outdoors
mountain hike peak
beach ocean sea coast
lake river water
forest woods
garden plant flower gardening
camp camping tent
hike trail hiking
weather rain storm snow
symbol represent mean stand
represent symbolize mean
remind reminder memory
memory remember moment
realize learn understand
change transform transition
improve better progress
skill ability talent
attract interest draw
lose lost
break broke
find found discover
discover find explore
destroy damage ruin
damage destroy flood
adopt adoption rescue
own have got
collect collection
sign signed
subject topic
describe say
cause because
near close
often usually
currently now
recent recently last
previous before past
first initial
new bought
identity gender
pronoun gender
status single relationship
single alone
origin from hometown roots
home hometown
ethnicity heritage background
degree education
education school study certificate
certificate certification course
device gadget
laptop computer
phone smartphone
app application software
code program programming
website site blog
project build
host organize
organize set plan
class lesson workshop
workshop seminar class
conference convention meetup
restaurant cafe diner
drink beverage
coffee tea
dessert sweet cake
clothes outfit wear
jewelry necklace ring
furniture couch chair
instrument guitar
dance dancing
swim swimming
bicycle cycling ride
fish fishing
surf surfing
ski skiing snowboarding
cost price expensive
deadline due
price cost pay
address street
email mail
meeting appointment call
schedule calendar plan
server host machine
database sql
delete remove
install setup
deploy release ship
allergy allergic
medicine medication drug pill
therapy counseling therapist counselor
counselor therapist
mental psychological
lead leader
neighborhood area
bond connect close
proud accomplishment
achievement accomplish milestone
success achieve
advise advice
decide decision choose
choose pick decide
prefer favorite
use using
`

// kinds are classes and what belongs to them.
const kinds = `
activity hobby leisure fun sport interest pastime: hike camp swim paint pottery run bike dance yoga garden
activity hobby leisure fun sport interest pastime: cook bake read write draw fish surf ski climb sail
activity hobby leisure pastime fun interest: photography museum movie concert game chess knit sew sculpt skate
activity hobby leisure pastime fun interest: kayak guitar piano violin volunteer picnic park beach playground craft
sport exercise fitness: basketball football soccer tennis baseball golf swim run marathon cycle hockey
sport exercise fitness: volleyball surf ski snowboard skate climb gym yoga boxing karate rugby cricket
martial art: karate judo taekwondo kickboxing boxing jiujitsu aikido kungfu
exercise workout fitness: yoga gym run weight strength pilates cardio hike jog swim stretch boxing
pet animal: dog cat puppy kitten hamster fish turtle snake rabbit parrot bird guinea horse lizard
animal wildlife: bear deer elephant lion tiger wolf whale dolphin fox owl eagle duck cow sheep goat monkey
food snack dish meal cuisine: pizza pasta salad soup burger sandwich sushi taco curry steak chicken fish rice
food snack dish meal cuisine: noodle bread cheese egg chocolate cake cookie pie smoothie soda candy vegetable fruit
dessert sweet treat: cake cookie pie chocolate brownie cream pudding tart candy donut cupcake
drink beverage: coffee tea juice water soda beer wine smoothie milk cocktail lemonade
fruit: apple banana orange strawberry blueberry mango peach grape lemon
vegetable: carrot tomato potato broccoli spinach pepper onion kale
music instrument: guitar piano violin drum flute clarinet saxophone trumpet cello bass ukulele keyboard
music genre: rock jazz pop classical hiphop rap country blues folk metal electronic punk reggae
musician band artist singer: concert song album tour singer
art: painting sculpture pottery drawing photography watercolor canvas sketch ceramic mural
book author read: novel fantasy trilogy series chapter story fiction mystery biography thriller poem
movie film show: comedy drama thriller romance action horror series documentary episode
game: chess board card puzzle console video poker trivia monopoly scrabble minecraft fortnite
family relative: mother father sister brother son daughter aunt uncle
family relative: cousin grandmother grandfather niece nephew husband wife child parent
friend people person: neighbor colleague teammate classmate roommate buddy
job career occupation profession work: teacher nurse engineer doctor lawyer artist writer actor chef designer
job career occupation profession work: developer manager accountant scientist counselor therapist mechanic programmer consultant intern
country nation abroad travel: england france spain italy germany japan china india canada mexico
country nation abroad travel: brazil australia sweden ireland thailand greece portugal turkey norway switzerland korea
europe european: england france spain italy germany sweden ireland greece portugal norway london paris rome berlin barcelona
city place state travel visit: york chicago seattle boston miami london paris tokyo rome barcelona
city place state travel visit: francisco angeles vegas denver austin toronto florida california texas hawaii colorado
place location spot where area: park beach lake mountain forest river museum cafe restaurant library city town shelter school church
outdoor nature: hike camp beach mountain park forest lake trail river sunset picnic waterfall garden
weather: rain snow storm sun wind cloud hot cold
vehicle transport: car truck bike motorcycle bus train plane boat van
health medical condition illness problem: pain injury surgery diagnosis allergy asthma diabetes cancer
health medical condition illness problem: flu fever headache heart pressure doctor hospital therapy weight
injury: ankle knee wrist arm leg back sprain broken fracture concussion
emotion feeling mood: happy sad proud angry scared nervous anxious excited grateful lonely relieved frustrated overwhelmed stressed
holiday: christmas thanksgiving easter halloween birthday hanukkah valentine
event celebration: wedding birthday party festival concert parade conference graduation
event celebration: fair tournament meeting workshop race fundraiser gala reunion
clothes clothing outfit: shirt shoe dress jacket hat sneaker jean sweater boot
gift item object purchase: necklace ring book watch card bracelet figurine mug shoe bowl
school education subject: math science history english biology physics chemistry psychology engineering literature
color: red blue green yellow purple pink black white orange brown
technology device: phone laptop computer tablet camera console drone robot printer
stress relax destress relieve cope: walk yoga meditation music read paint nature bath run drive sunset
charity cause volunteer community: shelter homeless donation food toy fundraiser veteran hospital orphanage
dish recipe cook: chicken soup salad pasta roast vegetable sauce grill oven
finance financial money: loan debt rent salary budget afford broke savings invest bill
relationship status: single married divorced breakup boyfriend girlfriend partner husband wife dating
personality trait character: kind thoughtful caring brave honest loyal creative driven authentic patient
tool language code: python java javascript rust golang sql bash docker git kubernetes
tool utensil kitchen: knife pan pot oven blender mixer grill fork spoon bowl
furniture: couch sofa chair table bed shelf desk lamp
toy: doll lego puzzle ball train kite bear
plant flower garden: rose tulip sunflower lily orchid basil tomato herb tree succulent
dance style: salsa tango ballet hiphop contemporary waltz ballroom
language: english french spanish german italian japanese chinese portuguese russian arabic korean latin
religion faith belief: church bible prayer god temple mosque meditation spiritual buddhist christian
hobby craft: knit crochet sew origami woodwork candle jewelry scrapbook calligraphy embroidery
collect collection: stamp coin card record vinyl figurine comic sneaker book
natural disaster: flood fire storm hurricane earthquake tornado
milestone life event: born wedding graduation birthday moved engaged pregnant retire anniversary
subject field degree: science engineering business law medicine history art psychology economics
platform website social: instagram youtube twitch facebook tiktok twitter reddit linkedin discord
streaming video: youtube twitch netflix channel stream
allergy allergic: peanut nut dairy gluten pollen shellfish cat dog fur
database: postgres mysql sqlite redis mongodb
cloud provider hosting: aws azure gcp heroku cloudflare
editor ide: vim emacs vscode intellij
`
