package ratelimit

import "time"

// settings are a Config with its defaults filled in; shared by all pools and never changed.
type settings struct {
	policy  Policy
	classes map[string]int // rank
	weights []float64      // by rank
	tenants map[string]float64
	queue   QueueConfig
	cost    Cost
}

const defaultClass = "default"

func newSettings(c Config) *settings {
	s := &settings{
		policy: c.Policy, classes: make(map[string]int), tenants: make(map[string]float64, len(c.Tenants)),
		queue: c.Queue, cost: c.Cost,
	}
	if s.policy == "" {
		s.policy = Program
	}
	if s.cost == (Cost{}) {
		s.cost = Cost{Input: 1, Output: 2}
	}
	s.addClasses(c.Classes)
	for _, t := range c.Tenants {
		s.tenants[t.Name] = weight(t.Weight)
	}
	q := &s.queue
	cap0(&q.Calls, 10_000)
	cap0(&q.TenantCalls, 5_000)
	cap0(&q.FlowCalls, 1_000)
	cap0(&q.Bytes, 1<<30)
	cap0(&q.TenantBytes, 512<<20)
	if q.Ageing <= 0 {
		q.Ageing = 30 * time.Second
	}
	return s
}

// addClasses ranks the classes: as listed, "default" after them unless it is listed, the background last of all.
func (s *settings) addClasses(list []ClassConfig) {
	add := func(name string, w float64) {
		if _, ok := s.classes[name]; !ok {
			s.classes[name] = len(s.weights)
			s.weights = append(s.weights, weight(w))
		}
	}
	for _, c := range list {
		if c.Name != Background {
			add(c.Name, c.Weight)
		}
	}
	add(defaultClass, 1)
	add(Background, 1)
}

func weight(w float64) float64 {
	if !(w > 0) {
		return 1
	}
	return min(max(w, 1e-6), 1e6)
}

func cap0[T int | int64](p *T, def T) {
	if *p == 0 {
		*p = def
	}
}

func (s *settings) class(name string) string {
	if _, ok := s.classes[name]; ok {
		return name
	}
	return defaultClass
}

func (s *settings) rank(class string) int            { return s.classes[class] }
func (s *settings) classWeight(class string) float64 { return s.weights[s.classes[class]] }

func (s *settings) tenantWeight(name string) float64 {
	if w, ok := s.tenants[name]; ok {
		return w
	}
	return weight(s.tenants["*"])
}
