// Command children starts processes of the kinds that need an init, and stops well itself.
//
//   - a worker, which it waits for itself: this needs no init
//   - daemons: forked twice, in their own session, so that they outlive
//     their parent and escape its process group
//   - short-lived processes, several a second, whose parent ends before they do:
//     each becomes a zombie that PID 1 has to reap
//
// goward reaps the short-lived ones as they end. When this program has ended, the
// daemons get SIGTERM and the rest of the time to stop, and are named in the log:
//
//	goward -- ./children
package main

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	role := "main"
	if len(os.Args) > 1 {
		role = os.Args[1]
	}
	switch role {
	case "main":
		if err := run(); err != nil {
			slog.Error("failed", "err", err)
			os.Exit(1)
		}
	case "fork": // The first of two forks: starts the second and leaves it an orphan.
		if err := again(os.Args[2]).Start(); err != nil {
			os.Exit(1)
		}
	case "brief":
		time.Sleep(50 * time.Millisecond)
	case "daemon", "worker": // TERM ends them, as it does every Go program that does not catch it.
		time.Sleep(time.Hour)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	worker := again("worker")
	if err := worker.Start(); err != nil {
		return err
	}
	for range 3 {
		if err := again("fork", "daemon").Run(); err != nil {
			return err
		}
	}
	slog.Info("started", "worker", worker.Process.Pid, "daemons", 3)

	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := again("fork", "brief").Run(); err != nil {
				return err
			}
		case <-ctx.Done():
			slog.Info("stopping")
			worker.Process.Signal(syscall.SIGTERM)
			worker.Wait() // Says "signal: terminated", which is what we asked for.
			return nil
		}
	}
}

// again is this program in another role, in a session of its own.
func again(args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	cmd := exec.Command(self, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}
