package budget

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// By lists what a Query can group by.
var By = []string{"day", "tenant", "agent", "model", "upstream"}

// Query adds up usage of the days from..to, both included, by the columns named, of By; none: one row. The rows are sorted by the
// columns in their order. db is state.DB.Reader or state.OpenReader; what is not committed yet is not seen.
func Query(ctx context.Context, db querier, from, to Date, by []string) ([]Row, error) {
	for i, name := range by {
		if !slices.Contains(By, name) || slices.Contains(by[:i], name) {
			return nil, fmt.Errorf("usage: cannot group by %q\nhint: one or more of %s, each once", name, strings.Join(By, ","))
		}
	}
	columns := make([]string, 0, len(by)+12)
	columns = append(columns, by...)
	for _, c := range []string{
		"requests", "attempts", "input", "cached", "written", "output", "estimated", "unpriced", "money", "saved", "aborted", "errors",
	} {
		columns = append(columns, "sum("+c+")")
	}
	query := "SELECT " + strings.Join(columns, ", ") + " FROM budget_usage WHERE day BETWEEN ? AND ?"
	if names := strings.Join(by, ", "); names != "" {
		query += " GROUP BY " + names + " ORDER BY " + names
	} else {
		query += " HAVING count(*) > 0"
	}
	rows, err := db.QueryContext(ctx, query, int64(from), int64(to))
	if err != nil {
		return nil, fmt.Errorf("usage: %w", err)
	}
	defer rows.Close()
	var out []Row
	for rows.Next() {
		var r Row
		if err := rows.Scan(r.places(by)...); err != nil {
			return nil, fmt.Errorf("usage: %w", err)
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// places are where the columns of a query go.
func (r *Row) places(by []string) []any {
	names := map[string]any{"day": &r.Day, "tenant": &r.Tenant, "agent": &r.Agent, "model": &r.Model, "upstream": &r.Upstream}
	var p []any
	for _, name := range by {
		p = append(p, names[name])
	}
	t := &r.Totals
	return append(p, &t.Requests, &t.Attempts, &t.Input, &t.Cached, &t.Written, &t.Output, &t.Estimated, &t.Unpriced,
		(*int64)(&t.Money), (*int64)(&t.Saved), &t.Aborted, &t.Errors)
}
