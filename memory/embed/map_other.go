//go:build !unix

package embed

// mapFile reads a file, where it cannot be mapped.
func mapFile(path string) (data []byte, release func() error, err error) {
	data, err = readFile(path, 4<<30-1)
	return data, func() error { return nil }, err
}
