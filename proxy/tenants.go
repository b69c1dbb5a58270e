package main

import (
	"os"
	"path/filepath"

	"github.com/trapgate/trapgate/filters/identity"
	"github.com/trapgate/trapgate/proxy/config"
	"github.com/trapgate/trapgate/proxy/share"
)

// nameTenants makes the identity filter. Tenants that show no auth key are named by a key of the data directory, or of what
// sidecars share, so that budgets and rewritten conversations find them again. Where nothing is kept none is made;
// one that is there is used.
func (g *gateway) nameTenants(snap *config.Snapshot) error {
	var key []byte
	switch {
	case g.named:
		return nil // conversations are remembered under these names
	case snap.Schedule != nil || snap.Context != nil || snap.Memory != nil:
		o := namingOptions(snap, g.guest)
		var err error
		if key, err = share.Secret(o.Dir, o.Redis, o.Prefix); err != nil {
			return err
		}
	case snap.Data != "":
		key, _ = os.ReadFile(filepath.Join(snap.Data, share.SecretFile))
	}
	g.named = len(key) > 0
	g.identity = identity.New(identity.Options{Secret: key})
	return nil
}
