package config

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// quiet is how long nothing must happen before files are read again: writers change several at a time.
const quiet = 100 * time.Millisecond

// A fileWatch calls a function when one of some files may have changed. It watches folders, not files, because files are
// replaced: by editors (a rename), by Kubernetes (a symlink on the way to them), by whoever renames their folder.
type fileWatch struct {
	notify  *fsnotify.Watcher
	changed func()
	done    chan struct{}
	ended   sync.WaitGroup
	closing sync.Once

	mu      sync.Mutex
	files   []string
	names   map[string][]string    // folder -> names in it that matter
	folders map[string]fs.FileInfo // as watched, to see when another has taken its place
}

// newFileWatch watches files, which need not exist. Nothing is called before start.
func newFileWatch(files []string, changed func()) (*fileWatch, error) {
	n, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("config: watch: %w", err)
	}
	w := &fileWatch{notify: n, changed: changed, done: make(chan struct{}), folders: map[string]fs.FileInfo{}}
	w.update(files)
	return w, nil
}

func (w *fileWatch) start() {
	w.ended.Add(1)
	go w.run()
}

func (w *fileWatch) close() error {
	var err error
	w.closing.Do(func() {
		close(w.done)
		err = w.notify.Close()
		w.ended.Wait()
	})
	return err
}

// paths returns the files, sorted. The slice is not changed afterwards.
func (w *fileWatch) paths() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.files
}

func (w *fileWatch) run() {
	defer w.ended.Done()
	timer := time.NewTimer(quiet)
	timer.Stop()
	defer timer.Stop()
	for {
		select {
		case <-w.done:
			return
		case e, ok := <-w.notify.Events:
			if !ok {
				return
			}
			if w.matters(e.Name) {
				timer.Reset(quiet)
			}
		case _, ok := <-w.notify.Errors: // an overflow: events were lost
			if !ok {
				return
			}
			timer.Reset(quiet)
		case <-timer.C:
			w.changed()
		}
	}
}

func (w *fileWatch) matters(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, self := w.folders[name]; self {
		return true
	}
	return slices.Contains(w.names[filepath.Dir(name)], filepath.Base(name))
}

// update replaces the set of files, and follows the symlinks on the way to them anew.
func (w *fileWatch) update(files []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.files = slices.Compact(slices.Sorted(slices.Values(files)))
	w.names = map[string][]string{}
	for _, f := range w.files {
		w.follow(f)
	}
	for folder := range w.folders {
		if w.names[folder] == nil {
			_ = w.notify.Remove(folder) // gone already, perhaps
			delete(w.folders, folder)
		}
	}
	for folder := range w.names {
		info, err := os.Stat(folder)
		if err != nil {
			continue
		}
		if was, ok := w.folders[folder]; ok {
			if os.SameFile(was, info) {
				continue
			}
			_ = w.notify.Remove(folder)
		}
		if w.notify.Add(folder) == nil {
			w.folders[folder] = info
		}
	}
}

const maxLinks = 40

// follow adds what must be watched to see that a path leads elsewhere: the file in its folder, the folder in its own, and each
// symlink on the way.
func (w *fileWatch) follow(path string) {
	for range maxLinks {
		w.add(path)
		w.add(filepath.Dir(path))
		link, target := firstLink(path)
		if link == "" {
			return
		}
		w.add(link)
		path = target + path[len(link):]
	}
}

// add watches for a name in its folder; when the folder does not exist, for the first missing one on the way.
func (w *fileWatch) add(path string) {
	folder, name := filepath.Dir(path), filepath.Base(path)
	for folder != path {
		if _, err := os.Stat(folder); err == nil {
			break
		}
		path = folder
		folder, name = filepath.Dir(path), filepath.Base(path)
	}
	if !slices.Contains(w.names[folder], name) {
		w.names[folder] = append(w.names[folder], name)
	}
}

// firstLink returns the first symlink on the way to an absolute path, and what it points to.
func firstLink(path string) (link, target string) {
	for end := 1; end <= len(path); end++ {
		if end < len(path) && path[end] != '/' {
			continue
		}
		part := path[:end]
		to, err := os.Readlink(part)
		if err != nil {
			continue
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(part), to)
		}
		return part, strings.TrimSuffix(to, "/")
	}
	return "", ""
}

// digestFiles tells whether files differ from what they were.
func digestFiles(env Env, files []string) (sum [32]byte) {
	h := sha256.New()
	for _, f := range files {
		data, err := env.read(f)
		fmt.Fprintf(h, "%q %d %v\n", f, len(data), err)
		_, _ = h.Write(data)
	}
	h.Sum(sum[:0])
	return sum
}
