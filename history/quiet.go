package history

import (
	"context"
	"log/slog"
)

// quiet lets pass what an operator may act on. The database tells of each segment
// it reads and each block it writes, a dozen lines at every start.
type quiet struct{ slog.Handler }

// Enabled says no to everything below a warning.
func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && q.Handler.Enabled(ctx, level)
}

// WithAttrs keeps quiet.
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }

// WithGroup keeps quiet.
func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }
