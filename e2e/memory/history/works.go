package history

// A work is something that was done or decided, by both, and how one asks for it later in other words.
type work struct{ user, assistant, ask string }

var works = []work{
	{
		"The test in {m} is flaky again, please find out why.", "It raced on the shared clock: {m} read the time twice. I froze it with a fake clock.",
		"Why did the test of {m} fail only sometimes?",
	},
	{
		"Why does {m} use so much memory?", "The cache of {m} never evicted: I bounded it to {n} entries.",
		"What did you do about the memory that {m} took?",
	},
	{
		"{p} wants us to keep the audit log for {n} weeks, let's do that.", "Done: retention of the audit log is {n} weeks.",
		"How long do we keep audit logs?",
	},
	{
		"We agreed with {p} that {m} gets its own service account with read access.", "I made the service account and gave it read access.",
		"What access did we agree on for {m}?",
	},
	{
		"The rollout of {m} failed at {n} percent, roll it back.", "Rolled back: the health probe timed out because migrations held a lock.",
		"Why was the rollout of {m} stopped?",
	},
	{
		"Don't ever touch the vendored folder in {m}, legal is picky about it.", "Understood, I leave the vendored folder alone.",
		"Which folder must not be changed, and who minds?",
	},
	{
		"The customer in the aviation business reported that exports of more than {n} thousand rows time out.",
		"I paged the export, so that it streams instead of building the file in memory.",
		"What was wrong with the exports of the aviation customer?",
	},
	{
		"Please write a changelog entry about the new rate limiter.", "Added: the limiter counts by token bucket and returns a Retry-After of {n} seconds.",
		"What does the changelog say about rate limiting?",
	},
	{
		"I lost an afternoon to the proxy's certificate, the chain lacked the intermediate.", "I added the intermediate certificate to the bundle and a test for its expiry.",
		"What was missing in the TLS chain?",
	},
	{
		"Our budget for cloud costs is {n} thousand dollars a quarter, {p} approved it.", "Noted for the cost report.",
		"How much may we spend on infrastructure, and who signed it off?",
	},
	{
		"Can you compare the two parsers in {m}?", "The hand-written parser in {m} is {n} times faster and allocates nothing; the generated one has better errors.",
		"Which of the parsers was quicker?",
	},
	{
		"{p} will demo the dashboard to the board, so the colours must be readable on a projector.", "I raised the contrast of the dashboard's palette.",
		"Who presents the dashboard, and what did that need?",
	},
	{
		"The invoice numbers must be gapless, the auditors insist.", "I draw invoice numbers from a locked counter row instead of a sequence.",
		"How are numbers of invoices made, and why like that?",
	},
	{
		"Our intern {p} broke the main branch by force-pushing, please restore it.", "Restored from the reflog; {n} commits came back. Force pushes are now blocked.",
		"What happened to the main branch?",
	},
	{
		"Let's name the new microservice after a bird: Kingfisher.", "The repository is called kingfisher.",
		"What did we call the new service?",
	},
	{
		"The search in {m} ignores accents, users in Brazil complain.", "I fold accents with Unicode decomposition on both sides now.",
		"What did Brazilian users complain about?",
	},
}

var (
	modules = []string{
		"billing", "the importer", "auth-gateway", "the scheduler", "report-builder", "inventory", "the mailer", "search-index", "webhooks", "the ledger",
	}
	people   = []string{"Mona", "Dieter", "Yuki", "Carlos", "Ebba", "Sanjay", "Wanda", "Leroy"}
	echoes   = []string{"Got it: {v}.", "Thanks, I'll keep {v} in mind.", "Noted, {v}."}
	asides   = []string{"By the way: ", "Also, ", "One more thing. ", "Oh, and "}
	requests = []string{
		"Run the tests of {m} and tell me what fails.", "What changed in {m} since the last tag?", "Please list the open TODOs in {m}.",
		"Format {m} and commit it.", "Look at the log of {m} around line {n}.", "Explain the error in {m} to me.", "How many files does {m} have?",
		"Check whether {m} still builds.", "Bump the dependencies of {m}.", "Find out who calls the retry helper in {m}.",
	}
	answers = []string{
		"{m} is fine: {n} tests pass.", "There are {n} changes in {m}, most of them in comments.", "Committed as a1b2c{n}.", "I see nothing unusual in {m}.",
		"The error comes from a nil map in {m}, line {n}.", "It builds; {n} warnings remain.", "{n} files, three of them generated.",
		"Two callers, both with a timeout of {n} seconds.",
	}
	acknowledgements = []string{"OK.", "Got it.", "Thanks for telling me.", "Understood, anything else?", "All right."}
	lines            = []string{
		"--- PASS: TestCase{k} (0.0{n}s)", "ok  \texample.com/{m}\t{n}.1{k}s", "{\"level\":\"info\",\"module\":\"{m}\",\"took_ms\":{n},\"req\":{k}}",
		"-rw-r--r-- 1 build build {k} main_{n}.go", "commit 9f{k}e Author: {p} <dev@example.com>", "    return fmt.Errorf(\"{m}: %w\", err) // {k}",
		"warning: unused variable 'x{k}' at line {n}", "HTTP/1.1 200 OK in {n} ms, id {k}",
	}
	settings = []string{"user.{t} = {v}", "{\"user\": {\"{t}\": \"{v}\"}}", "I moved to {v}. My {t} is {v} now.", "# the user's {t} is no longer set, use {v}"}
)
