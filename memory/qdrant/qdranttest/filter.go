package qdranttest

import (
	"fmt"
	"slices"
	"time"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// A point as Memory holds it. Payload values are never changed, only replaced.
type point struct {
	id      *pb.PointId
	key     string
	payload map[string]*pb.Value
	vectors map[string]*pb.Vector
}

// match applies a filter. https://qdrant.tech/documentation/concepts/filtering says what each condition means: one on a list holds
// when it does for any of its elements.
func match(f *pb.Filter, p *point) (bool, error) {
	if f == nil {
		return true, nil
	}
	if f.GetMinShould() != nil {
		return false, fmt.Errorf("min_should is not known here")
	}
	for _, c := range f.GetMust() {
		if ok, err := holds(c, p); !ok || err != nil {
			return false, err
		}
	}
	for _, c := range f.GetMustNot() {
		if ok, err := holds(c, p); ok || err != nil {
			return false, err
		}
	}
	for _, c := range f.GetShould() {
		if ok, err := holds(c, p); ok || err != nil {
			return ok, err
		}
	}
	return len(f.GetShould()) == 0, nil
}

func holds(c *pb.Condition, p *point) (bool, error) {
	switch c := c.GetConditionOneOf().(type) {
	case *pb.Condition_Field:
		return field(c.Field, p)
	case *pb.Condition_IsEmpty:
		return len(elements(p.payload[c.IsEmpty.GetKey()])) == 0, nil
	case *pb.Condition_HasId:
		return slices.ContainsFunc(c.HasId.GetHasId(), func(id *pb.PointId) bool { return key(id) == p.key }), nil
	case *pb.Condition_Filter:
		return match(c.Filter, p)
	}
	return false, fmt.Errorf("condition %T is not known here", c.GetConditionOneOf())
}

// elements are a value's own, or a list's; none where there is nothing, or null.
func elements(v *pb.Value) []*pb.Value {
	switch k := v.GetKind().(type) {
	case nil, *pb.Value_NullValue:
		return nil
	case *pb.Value_ListValue:
		return k.ListValue.GetValues()
	}
	return []*pb.Value{v}
}

func field(c *pb.FieldCondition, p *point) (bool, error) {
	var test func(*pb.Value) bool
	switch {
	case c.GetMatch() != nil:
		var err error
		if test, err = matches(c.GetMatch()); err != nil {
			return false, err
		}
	case c.GetRange() != nil:
		test = func(v *pb.Value) bool { return inRange(c.GetRange(), v) }
	case c.GetDatetimeRange() != nil:
		test = func(v *pb.Value) bool { return during(c.GetDatetimeRange(), v) }
	default:
		return false, fmt.Errorf("condition on field %s is not known here", c.GetKey())
	}
	return slices.ContainsFunc(elements(p.payload[c.GetKey()]), test), nil
}

func matches(m *pb.Match) (func(*pb.Value) bool, error) {
	word := func(v *pb.Value) (string, bool) {
		s, ok := v.GetKind().(*pb.Value_StringValue)
		return v.GetStringValue(), ok && s != nil
	}
	number := func(v *pb.Value) (int64, bool) {
		n, ok := v.GetKind().(*pb.Value_IntegerValue)
		return v.GetIntegerValue(), ok && n != nil
	}
	switch m := m.GetMatchValue().(type) {
	case *pb.Match_Keyword:
		return func(v *pb.Value) bool { s, ok := word(v); return ok && s == m.Keyword }, nil
	case *pb.Match_Keywords:
		return func(v *pb.Value) bool { s, ok := word(v); return ok && slices.Contains(m.Keywords.GetStrings(), s) }, nil
	case *pb.Match_Integer:
		return func(v *pb.Value) bool { n, ok := number(v); return ok && n == m.Integer }, nil
	case *pb.Match_Integers:
		return func(v *pb.Value) bool { n, ok := number(v); return ok && slices.Contains(m.Integers.GetIntegers(), n) }, nil
	case *pb.Match_Boolean:
		return func(v *pb.Value) bool {
			b, ok := v.GetKind().(*pb.Value_BoolValue)
			return ok && b.BoolValue == m.Boolean
		}, nil
	}
	return nil, fmt.Errorf("match %T is not known here", m.GetMatchValue())
}

func inRange(r *pb.Range, v *pb.Value) bool {
	var x float64
	switch k := v.GetKind().(type) {
	case *pb.Value_IntegerValue:
		x = float64(k.IntegerValue)
	case *pb.Value_DoubleValue:
		x = k.DoubleValue
	default:
		return false
	}
	return (r.Lt == nil || x < *r.Lt) && (r.Lte == nil || x <= *r.Lte) && (r.Gt == nil || x > *r.Gt) && (r.Gte == nil || x >= *r.Gte)
}

// during compares as the server's index does, which keeps microseconds.
func during(r *pb.DatetimeRange, v *pb.Value) bool {
	at, err := time.Parse(time.RFC3339Nano, v.GetStringValue())
	if err != nil {
		return false
	}
	than := func(t *timestamppb.Timestamp) int {
		return at.Truncate(time.Microsecond).Compare(t.AsTime().Truncate(time.Microsecond))
	}
	return (r.Lt == nil || than(r.Lt) < 0) && (r.Lte == nil || than(r.Lte) <= 0) &&
		(r.Gt == nil || than(r.Gt) > 0) && (r.Gte == nil || than(r.Gte) >= 0)
}
