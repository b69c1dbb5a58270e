package embed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/tidwall/gjson"
)

// maxHeader is the longest header that the format allows.
const maxHeader = 100_000_000

// widths are the bytes of one element, of the types that are read.
var widths = map[string]int{"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "U16": 2, "I8": 1}

// A tensor is an array in a file: rows of cols elements, little-endian. A vector has one column.
type tensor struct {
	dtype      string
	rows, cols int
	data       []byte // borrowed from the file; rows*cols elements
}

// readSafetensors finds the tensors of a file: 8 bytes with the length of a JSON header, the header (name: dtype, shape,
// data_offsets), the data. Tensors of other types or more than two dimensions are left out.
func readSafetensors(file []byte) (map[string]tensor, error) {
	if len(file) < 8 {
		return nil, errors.New("the file is too short")
	}
	n := binary.LittleEndian.Uint64(file)
	if n > maxHeader || n > uint64(len(file)-8) {
		return nil, fmt.Errorf("the header would have %d bytes", n)
	}
	head, data := file[8:8+n], file[8+n:]
	if !gjson.ValidBytes(head) {
		return nil, errors.New("the header is no JSON")
	}
	tensors := map[string]tensor{}
	var err error
	gjson.ParseBytes(head).ForEach(func(name, entry gjson.Result) bool {
		if name.Str == "__metadata__" {
			return true
		}
		t, known, wrong := readTensor(entry, data)
		if wrong != nil {
			err = fmt.Errorf("tensor %.40q: %w", name.Str, wrong)
			return false
		}
		if known {
			tensors[name.Str] = t
		}
		return true
	})
	return tensors, err
}

func readTensor(entry gjson.Result, data []byte) (t tensor, known bool, err error) {
	shape, offsets := entry.Get("shape").Array(), entry.Get("data_offsets").Array()
	width := widths[entry.Get("dtype").Str]
	if width == 0 || len(shape) == 0 || len(shape) > 2 {
		return t, false, nil
	}
	if len(offsets) != 2 {
		return t, false, errors.New("it has no data_offsets")
	}
	begin, end := offsets[0].Uint(), offsets[1].Uint()
	if begin > end || end > uint64(len(data)) {
		return t, false, errors.New("its data is not in the file")
	}
	dims := [2]uint64{0, 1}
	for i, s := range shape {
		if dims[i] = s.Uint(); dims[i] > math.MaxInt32 {
			return t, false, errors.New("its shape is too large")
		}
	}
	// Each is below 2^31 and a width at most 8, so only the last product could overflow.
	if cells := dims[0] * dims[1]; cells > math.MaxInt64/8 || cells*uint64(width) != end-begin {
		return t, false, errors.New("its data does not fit its shape")
	}
	return tensor{entry.Get("dtype").Str, int(dims[0]), int(dims[1]), data[begin:end]}, true, nil
}

// addRow adds a row, times a weight, to a sum of as many columns. A tensor of integers adds nothing but in I8.
func (t *tensor) addRow(sum []float32, row int, weight float32) {
	width := widths[t.dtype]
	b := t.data[row*t.cols*width:][:t.cols*width]
	sum = sum[:t.cols]
	switch t.dtype {
	case "F32":
		for i := range sum {
			sum[i] += weight * math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
	case "I8":
		for i := range sum {
			sum[i] += weight * float32(int8(b[i]))
		}
	case "F16":
		for i := range sum {
			sum[i] += weight * half(binary.LittleEndian.Uint16(b[2*i:]))
		}
	case "BF16":
		for i := range sum {
			sum[i] += weight * math.Float32frombits(uint32(binary.LittleEndian.Uint16(b[2*i:]))<<16)
		}
	case "F64":
		for i := range sum {
			sum[i] += weight * float32(math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:])))
		}
	}
}

// number is an element of a vector of floats; 0 of integers.
func (t *tensor) number(i int) float32 {
	var sum [1]float32
	t.addRow(sum[:], i, 1)
	return sum[0]
}

// integer is an element of a vector of integers; -1 of floats.
func (t *tensor) integer(i int) int64 {
	switch t.dtype {
	case "I64":
		return int64(binary.LittleEndian.Uint64(t.data[8*i:]))
	case "I32":
		return int64(int32(binary.LittleEndian.Uint32(t.data[4*i:])))
	case "U16":
		return int64(binary.LittleEndian.Uint16(t.data[2*i:]))
	}
	return -1
}

// half is the value of an IEEE 754 binary16.
func half(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&1023
	switch exp {
	case 0: // zero and subnormal: frac * 2^-24
		f := float32(frac) / (1 << 24)
		return math.Float32frombits(sign | math.Float32bits(f))
	case 31: // infinite and not a number
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | frac<<13)
}
