package admin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"
)

// upgradeTimeout bounds how long the holder may take to let somebody in.
const upgradeTimeout = 5 * time.Second

// Upgrade connects to the holder of a data directory, and changes to another protocol at a path. The connection is the caller's.
func Upgrade(ctx context.Context, dir, path, protocol string) (net.Conn, error) {
	token, err := ReadToken(dir)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, upgradeTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(dir, SocketFile))
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err = upgrade(conn, path, protocol, token)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("the holder of %s: %w", dir, err)
	}
	return conn, nil
}

func upgrade(conn net.Conn, path, protocol, token string) error {
	_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: %s\r\nAuthorization: Bearer %s\r\n\r\n", path, protocol, token)
	if err != nil {
		return err
	}
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		why, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
		_ = resp.Body.Close()
		return fmt.Errorf("%s: %s", resp.Status, why)
	}
	if in.Buffered() > 0 {
		return errors.New("it spoke before it was asked")
	}
	return nil
}
