// Package index finds the records of one space that answer a question, without any model: an inverted index in memory whose legs
// (the turn, its neighbours, its session, its dates, who speaks, words of like letters and of like meaning, and embeddings when there
// are any) each measure one kind of likeness, and a weighted sum of them that ranks the union of what they find.
//
// Words are ranked by BM25 (Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009) over a turn and over windows of
// turns around it. All statistics are those of the space, so a question cannot learn from the counts of another's words.
package index
