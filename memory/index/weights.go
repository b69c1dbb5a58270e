package index

// The legs: ways in which a record is compared with a query.
const (
	legTurn      = iota // BM25 of the text itself
	legWide             // with two turns on each side
	legSession          // BM25 of its session
	legLetters          // words that are spelled alike, over the near window
	legMeaning          // words that mean alike, over the near window
	legPrev             // BM25 of the turn before
	legNext             // of the turn after
	legAnswer           // BM25 of the turn before, where that is a question
	legDate             // the days that the question names
	legSpeaker          // who speaks is who is asked about
	legQuestion         // it asks, and so does not answer
	legTime             // it has words of time, and the question asks for them
	legNumber           // it has numbers, and the question asks how many
	legOwn              // it speaks of its speaker, who is asked about
	legLength           // long texts say more
	legProper           // it names something, and the question asks for a name
	legYours            // it speaks of the one who is spoken to, and not of its speaker
	legRecent           // said lately
	legTrust            // believed
	legFact             // it is a fact
	legDense            // cosine of embeddings
	legDenseNear        // with the turns beside it
	// NumLegs is how many legs there are.
	NumLegs
)

var legNames = [NumLegs]string{
	"turn", "wide", "session", "letters", "meaning", "prev", "next", "answer", "date", "speaker", "question",
	"time", "number", "own", "length", "proper", "yours", "recent", "trust", "fact", "dense", "densenear",
}

// Weights are what is tuned: what each leg adds to the score, and the shapes of the legs.
type Weights struct {
	Legs [NumLegs]float32
	// Dense are the weights that are used when there are embeddings, tuned with those of all-MiniLM-L6-v2, and then scaled so that
	// one Floor fits both.
	Dense [NumLegs]float32
	Shape Shape
}

// Shape are the parameters inside of legs.
type Shape struct {
	TurnK, TurnB, NearK, NearB, WideK, WideB, SessionK, SessionB float32 // BM25's k1 and b
	Power                                                        float32 // of the inverse document frequency
	// How much of a turn counts in the near window of its neighbours; in their wide one; in that of the next but one.
	NearSide, WideSide, WideEdge float32
	Alike                        float32 // likeness of letters below which words are not alike
}

// Floor is the score below which nothing is worth telling. On LoCoMo's dev half the best record is above it for 98.6 of 100 questions that
// are answered in a conversation, and for 73 of 100 that are asked, with the names exchanged, of another conversation of everyday talk (75
// with embeddings); at .5 it is 94 and 42 (e2e/bench/locomo/tune --floor). The score's distance from those of the records that follow, and
// single legs, tell the two apart no better, and the two together hardly.
const Floor = .38

// Default are the weights that everybody uses, tuned by e2e/bench/locomo/tune.
var Default = Weights{
	Legs: [NumLegs]float32{
		legTurn: -0.0427, legWide: 0.446, legSession: 0.239, legLetters: 0.146, legMeaning: 0.189, legPrev: -0.207, legNext: -0.14,
		legAnswer: 0.301, legDate: 0.202, legSpeaker: 0.062, legQuestion: -0.0568, legTime: 0.135, legNumber: -0.024,
		legOwn: 0.0242, legLength: 0.0704, legProper: 0.169, legYours: -0.0345, legRecent: 0.01, legTrust: 0.01,
	},
	Dense: [NumLegs]float32{
		legTurn: -0.022, legWide: 0.345, legSession: 0.142, legLetters: 0.0901, legMeaning: 0.131, legPrev: -0.186, legNext: -0.136,
		legAnswer: 0.208, legDate: 0.198, legSpeaker: 0.0468, legQuestion: -0.0397, legTime: 0.137, legNumber: -0.0771,
		legOwn: 0.0505, legLength: 0.0995, legProper: 0.0885, legRecent: 0.0079, legTrust: 0.0079, legDense: 0.0425, legDenseNear: 0.285,
	},
	Shape: Shape{
		TurnK: 1.2, TurnB: .5, NearK: 1.2, NearB: .5, WideK: 1.2, WideB: .5, SessionK: 1.2, SessionB: .5, Power: 1, Alike: .35,
		NearSide: .5, WideSide: .6, WideEdge: .3,
	},
}

// Legs names the legs, in the order of Weights.Legs and of a hit's legs.
func Legs() []string { return legNames[:] }
