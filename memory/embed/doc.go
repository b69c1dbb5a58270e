// Package embed turns texts into vectors of unit length, so that memory finds what is meant and not only what is said. Two kinds:
//
//   - Remote asks a model API's /v1/embeddings. It knows no HTTP: whoever makes it gives the function that carries a body there.
//   - Static reads a static embedding model from files, in the format of model2vec (github.com/MinishLab/model2vec): a folder with
//     model.safetensors (a vector for each token), tokenizer.json (Hugging Face tokenizers) and config.json. A text's vector is the
//     mean of its tokens' vectors, so it costs microseconds and needs neither a network nor a GPU.
//
// Both are the Embedder that memory asks for, and are safe for concurrent use. A text that has no direction (it is empty, or no word
// of it is known) has the vector nil.
//
// Sources: the safetensors format (huggingface.co/docs/safetensors); WordPiece (Wu et al. 2016, as in BERT, Devlin et al. 2019);
// Unigram (Kudo 2018, as in SentencePiece, whose "precompiled charsmap" is a double-array trie, Yata's darts-clone).
package embed
